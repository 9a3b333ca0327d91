package azure

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problems gathers everything that is wrong with an input, so that a person mends it
// in one go. The zero value is ready; it is not safe for concurrent use.
type Problems struct{ found []error }

// Addf notes one problem of the setting at path.
func (p *Problems) Addf(path, format string, args ...any) {
	p.found = append(p.found, fmt.Errorf("%s: %w", path, fmt.Errorf(format, args...)))
}

// Check notes err, if there is one, as a problem of the setting at path.
func (p *Problems) Check(path string, err error) {
	if err != nil {
		p.found = append(p.found, fmt.Errorf("%s: %w", path, err))
	}
}

// Err joins all problems, in the order of their text so that the same input always
// reads the same, into one error; or returns nil when there is none.
func (p *Problems) Err() error {
	slices.SortStableFunc(p.found, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(p.found...)
}
