package versioned

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// Kind is a kind of object: where it says its version, and what it is called when it cannot
// be read.
type Kind struct {
	Field   string // that holds the version, an integer from 1
	Known   int    // the newest version that can be read
	Damaged error  // wrapped by the errors of what is no such object
	Newer   error  // wrapped by the errors of what a later release wrote
}

// Decode reads an object of a version from 1 to the newest known. Fields that T does not
// have, and anything after the object, are damage. Its errors wrap k.Newer or k.Damaged and
// do not name the object: the caller knows where it is from.
func Decode[T any](k Kind, text []byte) (T, error) {
	var object, none T
	version, err := k.version(text)
	switch {
	case err != nil:
		return none, fmt.Errorf("%w: %w", k.Damaged, err)
	case version > k.Known:
		return none, fmt.Errorf("%w: version %d, known %d: update lifeboat", k.Newer, version, k.Known)
	case version < 1:
		return none, fmt.Errorf("%w: version %d, known 1 to %d", k.Damaged, version, k.Known)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&object); err != nil {
		return none, fmt.Errorf("%w: %w", k.Damaged, err)
	}
	return object, nil
}

// version is what the text says, whatever else is in it. Only one whole JSON object has one.
func (k Kind) version(text []byte) (version int, err error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return 0, err
	}
	said := 0
	for name, value := range fields {
		// A field of T takes its name in any case, so two spellings would be two versions.
		if strings.EqualFold(name, k.Field) {
			said++
			err = json.Unmarshal(value, &version)
		}
	}
	if said != 1 {
		return 0, fmt.Errorf("it says its %s %d times", k.Field, said)
	}
	return version, err
}
