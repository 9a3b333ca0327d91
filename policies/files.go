package policies

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// filesVersion is the version of the waivers file and of the facts file.
const filesVersion = 1

// ErrFile: a waivers or facts file cannot be used; the message lists every problem.
var ErrFile = errors.New("unusable file")

// ReadWaivers parses a waivers file: {"version": 1, "waivers": […]}. Unknown keys, rules
// that do not exist, and waivers without a reason, a person or a day are refused.
func ReadWaivers(b []byte, rules []Rule) ([]Waiver, error) {
	var file struct {
		Version int      `json:"version"`
		Waivers []Waiver `json:"waivers"`
	}
	if err := strictly(b, &file); err != nil {
		return nil, fmt.Errorf("waivers: %w", err)
	}
	problems := versionProblems(file.Version)
	for i, w := range file.Waivers {
		for _, p := range w.Validate(rules) {
			problems = append(problems, fmt.Sprintf("waiver %d: %s", i+1, p))
		}
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("waivers: %w: %s", ErrFile, strings.Join(problems, "; "))
	}
	return file.Waivers, nil
}

// ReadFacts parses a facts file; see Facts for its keys.
func ReadFacts(b []byte) (*Facts, error) {
	facts := new(Facts)
	if err := strictly(b, facts); err != nil {
		return nil, fmt.Errorf("facts: %w", err)
	}
	if problems := versionProblems(facts.Version); len(problems) > 0 {
		return nil, fmt.Errorf("facts: %w: %s", ErrFile, problems[0])
	}
	return facts, nil
}

func versionProblems(version int) []string {
	switch {
	case version == filesVersion:
		return nil
	case version > filesVersion:
		return []string{fmt.Sprintf("version %d is newer than %d: update lifeboat", version, filesVersion)}
	default:
		return []string{fmt.Sprintf("version %d, want %d", version, filesVersion)}
	}
}

func strictly(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%w: %w", ErrFile, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: something follows the first JSON value", ErrFile)
	}
	return nil
}
