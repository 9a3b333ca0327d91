package policies

import (
	"errors"
	"fmt"
	"strings"

	"lifeboat/internal/versioned"
)

// filesVersion is the version of the waivers file and of the facts file.
const filesVersion = 1

// ErrFile: a waivers or facts file cannot be used; the message lists every problem.
var ErrFile = errors.New("unusable file")

var fileKind = versioned.Kind{Field: "version", Known: filesVersion, Damaged: ErrFile, Newer: ErrFile}

// ReadWaivers parses a waivers file: {"version": 1, "waivers": […]}. Unknown keys, rules
// that do not exist, and waivers without a reason, a person or a day are refused.
func ReadWaivers(b []byte, rules []Rule) ([]Waiver, error) {
	file, err := versioned.Decode[struct {
		Version int      `json:"version"`
		Waivers []Waiver `json:"waivers"`
	}](fileKind, b)
	if err != nil {
		return nil, fmt.Errorf("waivers: %w", err)
	}
	var problems []string
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
	facts, err := versioned.Decode[Facts](fileKind, b)
	if err != nil {
		return nil, fmt.Errorf("facts: %w", err)
	}
	return &facts, nil
}
