package mirror

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"lifeboat/eventlog"
	"lifeboat/restore/snapshot"
)

// Pass remembers what one verification has found whole, in a file on this machine, so
// that it can be interrupted and go on where it was. It holds digests and counts, no
// data. What was damaged is not remembered: it is read again.
type Pass struct {
	path  string
	file  *os.File
	err   error // of the last write
	saved map[string]time.Time

	logs  map[string]eventlog.VerifyState
	known map[string][]snapshot.Checked
}

// passLine is one line of the file. A line that was cut off in mid-write is ignored.
type passLine struct {
	Version int                   `json:"version"` // 1
	Region  string                `json:"region"`  // "primary" or "mirror"
	Log     *eventlog.VerifyState `json:"log,omitempty"`
	Chunk   *snapshot.Checked     `json:"chunk,omitempty"`
}

// saveEvery bounds what has to be read again of the log.
const saveEvery = 2 * time.Second

// OpenPass opens the file of an interrupted pass, or begins one. Use it for one call of
// Verify at a time, always on the same stores.
func OpenPass(path string) (*Pass, error) {
	p := &Pass{path: path, saved: map[string]time.Time{}, logs: map[string]eventlog.VerifyState{}, known: map[string][]snapshot.Checked{}}
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read where the verification was: %w", err)
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	lines := bufio.NewScanner(bytes.NewReader(text[:whole]))
	lines.Buffer(nil, 1<<26) // a log's state names every orphan
	for lines.Scan() {
		var l passLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil || l.Version != 1 {
			return nil, fmt.Errorf("%s is not where a verification of this version was: remove it to begin anew", path)
		}
		if l.Log != nil {
			p.logs[l.Region] = *l.Log
		}
		if l.Chunk != nil {
			p.known[l.Region] = append(p.known[l.Region], *l.Chunk)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read where the verification was: %w", err)
	}
	if p.file, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600); err == nil {
		err = p.file.Truncate(int64(whole))
	}
	if err == nil {
		_, err = p.file.Seek(int64(whole), 0)
	}
	if err != nil {
		return nil, fmt.Errorf("keep where the verification is: %w", err)
	}
	return p, nil
}

// Close keeps the file, for another time; if done, it removes it: the pass is over.
func (p *Pass) Close(done bool) error {
	err := errors.Join(p.err, p.file.Close())
	if done {
		err = errors.Join(err, os.Remove(p.path))
	}
	return err
}

func (p *Pass) write(l passLine) {
	l.Version = 1
	b, err := json.Marshal(l)
	if err == nil {
		_, err = p.file.Write(append(b, '\n'))
	}
	if err != nil {
		p.err = err
	}
}

// part is a pass in one region; nil remembers nothing.
type part struct {
	*Pass
	region string
}

func (p *Pass) part(region string) part { return part{p, region} }

func (p part) from() eventlog.VerifyState {
	if p.Pass == nil {
		return eventlog.VerifyState{}
	}
	return p.logs[p.region]
}

func (p part) progress(s eventlog.VerifyState) {
	if p.Pass == nil || time.Since(p.saved[p.region]) < saveEvery {
		return
	}
	p.saved[p.region] = time.Now()
	p.write(passLine{Region: p.region, Log: &s})
}

// chunks are what is known of those that the region still has.
func (p part) chunks(has func(eventlog.Digest) bool) (known []snapshot.Checked) {
	if p.Pass == nil {
		return nil
	}
	for _, k := range p.known[p.region] {
		if has(k.Digest) {
			known = append(known, k)
		}
	}
	return known
}

func (p part) note(c snapshot.Checked) {
	if p.Pass != nil {
		p.write(passLine{Region: p.region, Chunk: &c})
	}
}
