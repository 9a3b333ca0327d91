package record

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"

	"lifeboat/failover/incident"
	"lifeboat/internal/blob"
)

// Sync brings the primary store up to date with the DR store, attachments first. It waits
// for the primary no longer than Config.Patience, and not at all when that just failed. What
// is there already is left alone, whatever it is; Verify names differences.
func (b *Book) Sync(ctx context.Context, stream string) error {
	if b.cfg.Primary == nil || b.skipPrimary() {
		return errors.New("the primary store is not reachable from here")
	}
	dr, err := b.load(ctx, store{b.cfg.DR, "dr"}, stream)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, b.cfg.Patience)
	defer cancel()
	err = b.copyAll(waiting, stream, dr)
	if err != nil && !errors.Is(err, blob.ErrExists) {
		b.primaryFailed()
	}
	return err
}

func (b *Book) copyAll(ctx context.Context, stream string, dr holding) error {
	there := map[string]bool{}
	for info, err := range b.cfg.Primary.List(ctx, stream+"/", "") {
		if err != nil {
			return fmt.Errorf("list the primary store: %w", err)
		}
		there[info.Name] = true
	}
	for _, digest := range dr.files {
		name := attachmentName(stream, digest)
		if there[name] {
			continue
		}
		body, err := blob.ReadAll(ctx, b.cfg.DR, name, maxAttachment)
		if err != nil {
			return err
		}
		if err := b.cfg.Primary.Create(ctx, name, body); err != nil {
			return fmt.Errorf("copy to the primary store: %w", err)
		}
	}
	for n := 1; n <= dr.last; n++ {
		name := entryName(stream, n)
		o, ok := dr.entries[n]
		if !ok || there[name] || !o.good(stream, n) {
			continue // a damaged entry is not spread
		}
		if err := b.cfg.Primary.Create(ctx, name, o.body); err != nil {
			return fmt.Errorf("copy to the primary store: %w", err)
		}
	}
	return nil
}

// SyncAll copies every stream.
func (b *Book) SyncAll(ctx context.Context) error {
	streams, err := b.Streams(ctx)
	if err != nil {
		return err
	}
	for _, stream := range streams {
		if err := b.Sync(ctx, stream); err != nil {
			return err
		}
	}
	return nil
}

// Verify checks every stream in both stores: signatures, numbers, links, order of work,
// attachments, that the stores agree, and that every head which an incident's first entry or
// the caller quotes is still there. It changes nothing. No findings means that all of it
// holds.
func (b *Book) Verify(ctx context.Context, quoted ...incident.Head) ([]incident.Finding, error) {
	streams, err := b.Streams(ctx)
	if err != nil {
		return nil, err
	}
	var found []incident.Finding
	chains := map[string]*Chain{}
	for _, stream := range streams {
		c, err := b.Read(ctx, stream)
		if err != nil {
			return nil, err
		}
		chains[stream] = c
		found = append(found, c.Findings...)
		found = append(found, b.unpermitted(c)...)
		files, err := b.verifyFiles(ctx, c)
		if err != nil {
			return nil, err
		}
		found = append(found, files...)
		if len(c.Entries) > 0 {
			quoted = append(quoted, c.Entries[0].Entry.Heads...)
		}
	}
	for _, h := range quoted {
		found = append(found, checkHead(h, chains[h.Stream])...)
	}
	return dedupe(found), nil
}

func dedupe(found []incident.Finding) []incident.Finding {
	seen := map[incident.Finding]bool{}
	var out []incident.Finding
	for _, f := range found {
		if !seen[f] {
			seen[f] = true
			out = append(out, f)
		}
	}
	return out
}

func (b *Book) unpermitted(c *Chain) (found []incident.Finding) {
	var broken []error
	if c.Stream == incident.Committee {
		_, broken = incident.FoldRegister(c.Entries)
	} else {
		_, broken = b.cfg.Policy.Fold(incident.ID(path.Base(c.Stream)), c.Entries)
	}
	for _, err := range broken {
		f := incident.Finding{Stream: c.Stream, Problem: incident.Unpermitted, Detail: err.Error()}
		if order := (*incident.OrderError)(nil); errors.As(err, &order) {
			f.N = order.N
		}
		found = append(found, f)
	}
	return found
}

// verifyFiles reads every attachment in each store that holds its entry.
func (b *Book) verifyFiles(ctx context.Context, c *Chain) (found []incident.Finding, err error) {
	for _, s := range b.stores() {
		if s.name == "primary" && b.skipPrimary() {
			continue
		}
		for _, e := range c.Entries {
			late := slices.ContainsFunc(c.Findings, func(f incident.Finding) bool { return f.N == e.Entry.N && f.Problem == incident.Behind })
			if late && s.name == "primary" {
				continue
			}
			for _, a := range e.Entry.Attachments {
				problem, err := checkFile(ctx, s, attachmentName(c.Stream, a.SHA256), a.SHA256)
				if err != nil && s.name == "dr" {
					return found, err
				}
				f := incident.Finding{Stream: c.Stream, N: e.Entry.N, Store: s.name, Problem: problem, Detail: fmt.Sprintf("attachment %s (%.12s)", a.Name, a.SHA256)}
				if err != nil { // the primary's being away is a finding, not a failure
					b.primaryFailed()
					f.Problem, f.Detail = incident.NotCompared, err.Error()
				}
				if f.Problem != "" {
					found = append(found, f)
				}
				if f.Problem == incident.NotCompared {
					return found, nil
				}
			}
		}
	}
	return found, nil
}

func checkFile(ctx context.Context, s store, name, digest string) (incident.Problem, error) {
	body, err := blob.ReadAll(ctx, s.Store, name, maxAttachment)
	switch {
	case errors.Is(err, blob.ErrNotExist):
		return incident.Missing, nil
	case errors.Is(err, blob.ErrTooLarge):
		return incident.Altered, nil
	case err != nil:
		return "", err
	case incident.Digest(body) != digest:
		return incident.Altered, nil
	}
	return "", nil
}

// checkHead compares a quoted head with the stream of today.
func checkHead(h incident.Head, c *Chain) []incident.Finding {
	f := incident.Finding{Stream: h.Stream, N: h.N, Problem: incident.Missing}
	if c == nil || c.N == 0 {
		f.Detail = "quoted elsewhere, but nothing of the stream is left"
		return []incident.Finding{f}
	}
	for _, e := range c.Entries {
		if e.Entry.N != h.N {
			continue
		}
		if e.Digest == h.Digest {
			return nil
		}
		f.Problem, f.Detail = incident.Altered, fmt.Sprintf("quoted elsewhere as %.12s, but it is %.12s", h.Digest, e.Digest)
		return []incident.Finding{f}
	}
	f.Detail = fmt.Sprintf("quoted elsewhere as %.12s, but it is not there: it was removed", h.Digest)
	return []incident.Finding{f}
}

// heads are the last entries of all streams that verify up to there.
func (b *Book) heads(ctx context.Context) ([]incident.Head, error) {
	streams, err := b.Streams(ctx)
	if err != nil {
		return nil, err
	}
	var heads []incident.Head
	for _, stream := range streams {
		c, err := b.Read(ctx, stream)
		if err != nil {
			return nil, err
		}
		head := incident.Head{Stream: stream}
		if n := len(c.Entries); n > 0 {
			head.N, head.Digest = c.Entries[n-1].Entry.N, c.Entries[n-1].Digest
		}
		heads = append(heads, head)
	}
	return heads, nil
}

// Record reads everything and folds it. damage are the findings that mean that something is
// wrong; the record then tells what is left.
func (b *Book) Record(ctx context.Context) (r incident.Record, damage []incident.Finding, err error) {
	streams, err := b.Streams(ctx)
	if err != nil {
		return r, nil, err
	}
	for _, stream := range streams {
		c, err := b.Read(ctx, stream)
		if err != nil {
			return r, nil, err
		}
		damage = append(damage, c.Damage()...)
		if stream == incident.Committee {
			r.Register, _ = incident.FoldRegister(c.Entries)
			continue
		}
		state, _ := b.cfg.Policy.Fold(incident.ID(path.Base(stream)), c.Entries)
		r.Incidents = append(r.Incidents, state)
	}
	return r, damage, nil
}

// Heads are the ends of all streams as they verify now, to be quoted in reports.
func (b *Book) Heads(ctx context.Context) ([]incident.Head, error) {
	heads, err := b.heads(ctx)
	return slices.DeleteFunc(heads, func(h incident.Head) bool { return h.N == 0 }), err
}

// Export yields a stream's objects as they are kept, then its attachments, so that they can
// be checked elsewhere. What does not verify is yielded as it is.
func (b *Book) Export(ctx context.Context, stream string) iter.Seq2[incident.File, error] {
	return func(yield func(incident.File, error) bool) {
		c, err := b.Read(ctx, stream)
		if err == nil && c.N == 0 {
			err = fmt.Errorf("%w: %s", incident.ErrNoIncident, path.Base(stream))
		}
		for n := 1; err == nil && n <= c.N; n++ {
			name := entryName(stream, n)
			var body []byte
			if body, err = b.anyCopy(ctx, name, maxEntry); err == nil && !yield(incident.File{Name: name, Body: body}, nil) {
				return
			}
		}
		for i := 0; err == nil && i < len(c.Entries); i++ {
			for _, a := range c.Entries[i].Entry.Attachments {
				var body []byte
				if body, err = b.Attachment(ctx, stream, a); err == nil && !yield(incident.File{Name: a.SHA256 + "-" + a.Name, Body: body}, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(incident.File{}, err)
		}
	}
}

// anyCopy reads an object from the first store that has it.
func (b *Book) anyCopy(ctx context.Context, name string, limit int64) (body []byte, err error) {
	for _, s := range b.stores() {
		if body, err = blob.ReadAll(ctx, s.Store, name, limit); err == nil {
			return body, nil
		}
	}
	return nil, err
}

// Incident reads and folds one incident; incident.ErrNoIncident when there is none of the name.
func (b *Book) Incident(ctx context.Context, id incident.ID) (incident.State, *Chain, error) {
	c, err := b.Read(ctx, id.Stream())
	if err != nil {
		return incident.State{}, nil, err
	}
	if c.N == 0 {
		return incident.State{}, nil, fmt.Errorf("%w: %s", incident.ErrNoIncident, id)
	}
	state, _ := b.cfg.Policy.Fold(id, c.Entries)
	return state, c, nil
}
