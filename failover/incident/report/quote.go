package report

import (
	"fmt"

	"lifeboat/failover/incident"
)

// Heads verifies a report and returns the ends of the record that it quotes, for
// record.Book.Verify. A report of another kind quotes none.
func Heads(body []byte) ([]incident.Head, error) {
	s, _, err := Verify(body)
	if err != nil {
		return nil, err
	}
	switch d := s.Data.(type) {
	case Case:
		return []incident.Head{{Stream: d.State.ID.Stream(), N: d.State.N, Digest: d.State.Head}}, nil
	case Pack:
		return d.Heads, nil
	}
	return nil, nil
}

// DrillOf verifies a drill's report and returns what the committee's register keeps of it.
func DrillOf(body []byte) (incident.Drill, error) {
	s, _, err := Verify(body)
	if err != nil {
		return incident.Drill{}, err
	}
	e, ok := s.Data.(Exercise)
	if !ok || e.What != "drill" {
		return incident.Drill{}, fmt.Errorf("%w of a drill", ErrNotReport)
	}
	return incident.Drill{Report: incident.Digest(body), Passed: e.passed(), LostCommits: e.LostCommits,
		LostSeconds: int64(e.LostSeconds), RTOSeconds: int64(e.RTO.Seconds())}, nil
}
