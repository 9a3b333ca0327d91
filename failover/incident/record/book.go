package record

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"lifeboat/failover/incident"
	"lifeboat/internal/blob"
	"lifeboat/internal/signers"
)

// patience is how long the primary store may take before an entry goes on without it: a lost
// region answers nothing, and people are waiting.
const patience = 5 * time.Second

// rounds bounds how often a write starts again because somebody else took its number.
const rounds = 50

// Config is what a Book needs.
type Config struct {
	DR       blob.Store    // decides; required
	Primary  blob.Store    // the copy; nil = not reachable from here
	Ring     *signers.Ring // who may sign
	Policy   incident.Policy
	Clock    func() time.Time // nil = time.Now
	Log      *slog.Logger     // nil = discard
	Patience time.Duration    // 0 = 5 s
}

// Book is the record of one company. It is safe for concurrent use.
type Book struct {
	cfg  Config
	down atomic.Int64 // until when the primary is not asked again, Unix ns; one wait for a lost region is enough
}

// New checks the configuration.
func New(cfg Config) (*Book, error) {
	if cfg.DR == nil || cfg.Ring == nil {
		return nil, errors.New("incident record: it needs the DR store and an allowed_signers ring")
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Patience == 0 {
		cfg.Patience = patience
	}
	return &Book{cfg: cfg}, nil
}

// Policy is the one that the book holds to.
func (b *Book) Policy() incident.Policy { return b.cfg.Policy }

// Open starts a new incident with its first entry, a report, and names it. The entry also
// names the last entries of all other streams, so that whoever removes the end of one of
// them is found out.
func (b *Book) Open(ctx context.Context, d incident.Draft) (incident.Signed, error) {
	if d.Entry.Kind != incident.Reported {
		return incident.Signed{}, &incident.OrderError{Kind: d.Entry.Kind, Why: "an incident opens with a report", Do: "report first"}
	}
	heads, err := b.heads(ctx)
	if err != nil {
		return incident.Signed{}, err
	}
	year := b.cfg.Clock().UTC().Year()
	n := 1
	for _, h := range heads {
		if h.N > 0 {
			d.Entry.Heads = append(d.Entry.Heads, h)
		}
		if rest, ok := strings.CutPrefix(h.Stream, fmt.Sprintf("incidents/SI-%04d-", year)); ok {
			var used int
			if _, err := fmt.Sscanf(rest, "%04d", &used); err == nil {
				n = max(n, used+1)
			}
		}
	}
	for range rounds {
		stream := incident.NewID(year, n).Stream()
		if err := incident.CheckStream(stream); err != nil {
			return incident.Signed{}, err
		}
		signed, err := b.write(ctx, stream, d, nil)
		if !errors.Is(err, blob.ErrExists) {
			return signed, err
		}
		n++ // somebody else opened that one at the same time
	}
	return incident.Signed{}, fmt.Errorf("open incident: no free name after %d tries", rounds)
}

// Append adds an entry to a stream. On nil it is durable in the DR store, and in the primary
// unless that could not be reached (see Sync). The error is an *incident.OrderError when the
// policy does not permit the entry now. A chain that does not verify still takes entries, for
// work must go on; each then says what was found wrong, so that it does not vouch for it. But
// no recovery starts, no message goes out and nothing is closed on the word of such a chain
// (*DamagedError); two people may still break the glass.
func (b *Book) Append(ctx context.Context, stream string, d incident.Draft) (incident.Signed, error) {
	if err := incident.CheckStream(stream); err != nil {
		return incident.Signed{}, err
	}
	for range rounds {
		chain, err := b.Read(ctx, stream)
		if err != nil {
			return incident.Signed{}, err
		}
		if chain.N == 0 && stream != incident.Committee {
			return incident.Signed{}, fmt.Errorf("%w: %s", incident.ErrNoIncident, path.Base(stream))
		}
		signed, err := b.write(ctx, stream, d, chain)
		if !errors.Is(err, blob.ErrExists) {
			return signed, err
		}
	}
	return incident.Signed{}, fmt.Errorf("%s: %d other writers took the number each time: try again", stream, rounds)
}

// write makes the next entry of a chain. ErrExists: somebody else took the number.
func (b *Book) write(ctx context.Context, stream string, d incident.Draft, chain *Chain) (incident.Signed, error) {
	next, err := b.complete(stream, d, chain)
	if err != nil {
		return incident.Signed{}, err
	}
	if err := next.Entry.Validate(); err != nil {
		return incident.Signed{}, err
	}
	if err := b.permit(next, chain); err != nil {
		return incident.Signed{}, err
	}
	text, err := encode(next.Entry)
	if err != nil {
		return incident.Signed{}, err
	}
	object, err := signers.Seal(d.Key, Namespace, text)
	if err != nil {
		return incident.Signed{}, err
	}
	signed, err := open(b.cfg.Ring, object)
	if err != nil {
		return incident.Signed{}, err
	}
	return signed, b.keep(ctx, kept{entry: signed, object: object, files: d.Files, direct: chain == nil || chain.compared()})
}

// complete fills in what the writer does not say.
func (b *Book) complete(stream string, d incident.Draft, chain *Chain) (incident.Signed, error) {
	if d.Key == nil {
		return incident.Signed{}, signers.ErrNoKey
	}
	now := b.cfg.Clock().UTC().Truncate(time.Millisecond)
	who, err := b.cfg.Ring.Identify(d.Key.Public(), now)
	if err != nil {
		return incident.Signed{}, fmt.Errorf("%s: %w: ask for your key to be added to allowed_signers", stream, err)
	}
	e := d.Entry
	e.Format, e.Stream, e.N, e.Recorded, e.By, e.Role = incident.Format, stream, 1, now, who.Person, d.Role
	if chain != nil && chain.N > 0 {
		e.N, e.Prev = chain.N+1, chain.Head
		if e.Recorded.Before(chain.Last) {
			e.Recorded = chain.Last // another machine's clock is ahead: times never go back
		}
		for _, f := range chain.Damage() {
			e.Damage = append(e.Damage, f.String())
		}
	}
	if e.At.IsZero() {
		e.At = now
	}
	e.At = e.At.UTC().Truncate(time.Millisecond)
	if e.Role == "" {
		e.Role = roleFor(who, e.Kind)
	}
	e.Attachments = slices.Clone(e.Attachments)
	for _, f := range d.Files {
		a, err := describe(f)
		if err != nil {
			return incident.Signed{}, err
		}
		e.Attachments = append(e.Attachments, a)
	}
	return incident.Signed{Entry: e, Who: who}, nil
}

// roleFor picks the first of the person's roles that may write such an entry.
func roleFor(who signers.Identity, k incident.Kind) string {
	may := incident.May(k)
	for _, role := range incident.Roles() {
		if who.Has(role) && (len(may) == 0 || slices.Contains(may, role)) {
			return role
		}
	}
	if len(who.Roles) > 0 {
		return who.Roles[0]
	}
	return incident.Staff
}

func (b *Book) permit(e incident.Signed, chain *Chain) error {
	if chain == nil {
		chain = &Chain{}
	}
	if e.Entry.Stream == incident.Committee {
		register, _ := incident.FoldRegister(chain.Entries)
		return incident.PermitRegister(register, e)
	}
	state, _ := b.cfg.Policy.Fold(incident.ID(path.Base(e.Entry.Stream)), chain.Entries)
	if err := b.cfg.Policy.Permit(state, e); err != nil {
		return err
	}
	if len(chain.Damage()) == 0 {
		return nil
	}
	switch e.Entry.Kind {
	case incident.RecoveryStarted:
		if state.GlassBroken.IsZero() {
			return &DamagedError{Stream: e.Entry.Stream, Findings: chain.Damage()}
		}
	case incident.MessageSent, incident.Closed:
		return &DamagedError{Stream: e.Entry.Stream, Findings: chain.Damage()}
	}
	return nil
}

func describe(f incident.File) (incident.Attachment, error) {
	if len(f.Body) == 0 || len(f.Body) > maxAttachment {
		return incident.Attachment{}, fmt.Errorf("attachment %s: %d bytes: want 1 to %d", f.Name, len(f.Body), maxAttachment)
	}
	return incident.Attachment{Name: path.Base(f.Name), SHA256: incident.Digest(f.Body), Size: int64(len(f.Body))}, nil
}

// kept is what one write stores.
type kept struct {
	entry  incident.Signed
	object []byte
	files  []incident.File
	direct bool // the primary holds everything before it
}

// keep stores attachments first, the entry last: an entry never names what is not there.
func (b *Book) keep(ctx context.Context, k kept) error {
	e := k.entry.Entry
	for _, f := range k.files {
		err := b.create(ctx, attachmentName(e.Stream, incident.Digest(f.Body)), f.Body)
		if errors.Is(err, blob.ErrExists) {
			return fmt.Errorf("attachment %s: %w: the DR store holds other bytes under its hash", f.Name, ErrCorrupt)
		}
		if err != nil {
			return err
		}
	}
	if err := b.create(ctx, entryName(e.Stream, e.N), k.object); err != nil {
		return err
	}
	b.cfg.Log.Info("recorded", "stream", e.Stream, "entry", e.N, "kind", e.Kind)
	if err := b.copyToPrimary(ctx, k); err != nil {
		b.cfg.Log.Warn("not copied to the primary store yet", "stream", e.Stream, "entry", e.N, "err", err)
	}
	return nil
}

// copyToPrimary copies what was just written, or everything that is missing there.
func (b *Book) copyToPrimary(ctx context.Context, k kept) error {
	stream := k.entry.Entry.Stream
	if !k.direct || b.cfg.Primary == nil || b.skipPrimary() {
		return b.Sync(ctx, stream)
	}
	waiting, cancel := context.WithTimeout(ctx, b.cfg.Patience)
	defer cancel()
	for _, f := range k.files {
		if err := b.cfg.Primary.Create(waiting, attachmentName(stream, incident.Digest(f.Body)), f.Body); err != nil {
			b.primaryFailed()
			return err
		}
	}
	err := b.cfg.Primary.Create(waiting, entryName(stream, k.entry.Entry.N), k.object)
	if err != nil && !errors.Is(err, blob.ErrExists) {
		b.primaryFailed()
	}
	return err
}

// create writes to the DR store and finds out what became of a lost answer.
func (b *Book) create(ctx context.Context, name string, body []byte) error {
	err := b.cfg.DR.Create(ctx, name, body)
	if err == nil || errors.Is(err, blob.ErrExists) {
		return err
	}
	there, rerr := blob.ReadAll(ctx, b.cfg.DR, name, int64(len(body)))
	switch {
	case rerr == nil && string(there) == string(body):
		return nil // done, only the answer was lost
	case rerr == nil, errors.Is(rerr, blob.ErrTooLarge):
		return fmt.Errorf("%s: %w", name, blob.ErrExists)
	}
	return fmt.Errorf("record in the DR store: %w: look with lifeboat incident show before you try again", err)
}

func entryName(stream string, n int) string { return fmt.Sprintf("%s/%06d", stream, n) }

func attachmentName(stream, digest string) string { return stream + "/attachments/" + digest }

// Attachment reads an attached file back and checks its hash.
func (b *Book) Attachment(ctx context.Context, stream string, a incident.Attachment) ([]byte, error) {
	var problems []error
	for _, s := range b.stores() {
		body, err := blob.ReadAll(ctx, s.Store, attachmentName(stream, a.SHA256), maxAttachment)
		if err == nil && incident.Digest(body) == a.SHA256 {
			return body, nil
		}
		if err == nil {
			err = fmt.Errorf("attachment %s in the %s store: %w: other content than its hash", a.Name, s.name, ErrCorrupt)
		}
		problems = append(problems, err)
	}
	return nil, errors.Join(problems...)
}

type store struct {
	blob.Store
	name string
}

// stores are those to look into, the deciding one first.
func (b *Book) stores() []store {
	all := []store{{b.cfg.DR, "dr"}}
	if b.cfg.Primary != nil {
		all = append(all, store{b.cfg.Primary, "primary"})
	}
	return all
}
