package restore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/database"
)

// SnapshotKind says what the chunks of a snapshot are and where they came from.
type SnapshotKind string

// The kinds of snapshots.
const (
	Base        SnapshotKind = "base"        // every row, from a scan of the database
	RollForward SnapshotKind = "rollforward" // every row, merged from a base and deltas in the store
	Delta       SnapshotKind = "delta"       // net changes since the parent, from the log
)

// Whole tells whether the snapshot holds every row, without a parent.
func (k SnapshotKind) Whole() bool { return k == Base || k == RollForward }

// Manifest makes a snapshot exist: the database after exactly the transactions 1 to
// Position.Seq.
type Manifest struct {
	Kind     SnapshotKind      `json:"kind"`
	Position eventlog.Position `json:"position"`
	Created  time.Time         `json:"created"` // UTC
	// SchemaVersion is the log's count of schema records at Position.
	SchemaVersion uint32  `json:"schema_version"`
	Fingerprint   string  `json:"fingerprint"` // of the schema
	Schema        Ref     `json:"schema"`
	Parent        *Parent `json:"parent,omitempty"` // of a delta, and of nothing else
	// Tables are in the schema's order, every one of them.
	Tables []TableEntry `json:"tables"`
	// Counters are the last values of identities and sequences at Position, or above.
	Counters map[string]int64 `json:"counters,omitempty"`
	// NotCarried is what the schema says is not restored from rows.
	NotCarried []string `json:"not_carried,omitempty"`
}

// Raw sums up the payload of all tables, in bytes: what a restore goes through.
func (m *Manifest) Raw() (sum int64) {
	for i := range m.Tables {
		sum += m.Tables[i].Raw
	}
	return sum
}

// Parent is the snapshot that a delta continues.
type Parent struct {
	Seq    eventlog.Seq    `json:"seq"`
	Digest eventlog.Digest `json:"digest"` // of the parent's manifest object
}

// TableEntry is one table of a snapshot.
type TableEntry struct {
	Name    string `json:"name"`
	Version string `json:"version"` // database.Table.Version
	// State is the table's whole state at Position, also in a delta.
	State database.State `json:"state"`
	// Ledger is what the log at Position says of the table: the state of its changes
	// since the log's beginning. Differences of ledgers are differences of states.
	Ledger database.State `json:"ledger"`
	// Ordered: the chunks' rows have strictly increasing key bytes. Measured, not assumed.
	Ordered bool `json:"ordered"`
	// Lists name the chunks, in order.
	Lists []Ref `json:"lists,omitempty"`
	// Entries, Raw and Size sum up the chunks: rows or net changes, bytes of payload, and
	// stored bytes (whether or not another snapshot has them too).
	Entries int64 `json:"entries"`
	Raw     int64 `json:"raw"`
	Size    int64 `json:"size"`
}

// Snapshot is a manifest and the digest of its object, which is its identity.
type Snapshot struct {
	Digest eventlog.Digest
	*Manifest
}

// Name is the name of the manifest's object.
func (s Snapshot) Name() string { return ManifestName(s.Position.Seq, s.Digest) }

// SnapshotPrefix is where manifests are.
const SnapshotPrefix = "snapshots/"

const manifestPart = "/manifest-"

// ManifestName is the name of a manifest. Names sort by Seq. The digest is part of the
// name because one Seq may have several snapshots: a roll-forward beside the delta that
// it replaces, or a base before and one after a change of schema.
func ManifestName(seq eventlog.Seq, d eventlog.Digest) string {
	return SnapshotPrefix + seq.String() + manifestPart + d.String()
}

// ParseManifestName parses exactly what ManifestName returns.
func ParseManifestName(name string) (eventlog.Seq, eventlog.Digest, error) {
	rest, ok := strings.CutPrefix(name, SnapshotPrefix)
	number, hex, ok2 := strings.Cut(rest, manifestPart)
	seq, err := eventlog.ParseSeq(number)
	d, err2 := eventlog.ParseDigest(hex)
	if !ok || !ok2 || err != nil || err2 != nil {
		return 0, eventlog.Digest{}, fmt.Errorf("%q is not the name of a manifest", name)
	}
	return seq, d, nil
}

// Encode returns the bytes of the manifest's object and its identity.
func (m *Manifest) Encode(c *Codec) ([]byte, Snapshot, error) {
	if err := m.check(); err != nil {
		return nil, Snapshot{}, err
	}
	payload, err := json.Marshal(m)
	if err != nil {
		return nil, Snapshot{}, fmt.Errorf("encode the manifest at seq %d: %w", uint64(m.Position.Seq), err)
	}
	body, ref, err := c.Encode(nil, KindManifest, len(m.Tables), payload)
	if err != nil {
		return nil, Snapshot{}, err
	}
	return body, Snapshot{Digest: ref.Digest, Manifest: m}, nil
}

// DecodeManifest checks and decodes the object of that name. Its error is a *DamageError.
func DecodeManifest(c *Codec, name string, body []byte) (Snapshot, error) {
	s, err := decodeManifest(c, name, body)
	if err != nil {
		return Snapshot{}, &DamageError{Object: name, Err: err}
	}
	return s, nil
}

func decodeManifest(c *Codec, name string, body []byte) (Snapshot, error) {
	seq, digest, err := ParseManifestName(name)
	if err != nil {
		return Snapshot{}, fmt.Errorf("%w: %w", eventlog.ErrCorrupt, err)
	}
	payload, err := c.decodeNamed(KindManifest, digest, body)
	if err != nil {
		return Snapshot{}, err
	}
	m := new(Manifest)
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return Snapshot{}, fmt.Errorf("%w: %w", eventlog.ErrCorrupt, err)
	}
	// One manifest has one encoding: nothing that this program would drop can hide in it.
	if again, err := json.Marshal(m); err != nil || !bytes.Equal(again, payload) {
		return Snapshot{}, fmt.Errorf("%w: its JSON is not in canonical form", eventlog.ErrCorrupt)
	}
	if err := m.check(); err != nil {
		return Snapshot{}, fmt.Errorf("%w: %w", eventlog.ErrCorrupt, err)
	}
	if m.Position.Seq != seq {
		return Snapshot{}, fmt.Errorf("%w: it is of seq %d", eventlog.ErrCorrupt, uint64(m.Position.Seq))
	}
	return Snapshot{Digest: digest, Manifest: m}, nil
}

// check refuses what no writer makes.
func (m *Manifest) check() error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if !m.Kind.Whole() && m.Kind != Delta {
		add("unknown kind of snapshot %q", m.Kind)
	}
	if (m.Kind == Delta) != (m.Parent != nil) {
		add("a %s and its parent do not go together", m.Kind)
	}
	if m.Parent != nil && m.Parent.Seq > m.Position.Seq {
		add("its parent is of a later seq, %d", uint64(m.Parent.Seq))
	}
	seen := make(map[string]bool, len(m.Tables))
	for i := range m.Tables {
		t := &m.Tables[i]
		if seen[t.Name] {
			add("table %q twice", t.Name)
		}
		seen[t.Name] = true
		if err := t.check(m.Kind); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("manifest at seq %d: %w", uint64(m.Position.Seq), errors.Join(problems...))
	}
	return nil
}

func (t *TableEntry) check(kind SnapshotKind) error {
	var chunks int64
	for _, l := range t.Lists {
		chunks += l.Entries
	}
	switch {
	case t.State.Count < 0:
		return fmt.Errorf("table %q has %d rows", t.Name, t.State.Count)
	case kind.Whole() && t.Entries != t.State.Count:
		return fmt.Errorf("table %q has %d rows in chunks, its state has %d", t.Name, t.Entries, t.State.Count)
	case t.Entries < 0 || t.Raw < 0 || t.Size < 0 || (t.Entries == 0) != (chunks == 0):
		return fmt.Errorf("table %q has %d chunks for %d entries", t.Name, chunks, t.Entries)
	}
	return nil
}

// Table returns the entry of that name, or nil.
func (m *Manifest) Table(name string) *TableEntry {
	for i := range m.Tables {
		if m.Tables[i].Name == name {
			return &m.Tables[i]
		}
	}
	return nil
}

// Size sums up the stored bytes of the chunks, shared or not.
func (m *Manifest) Size() (total int64) {
	for i := range m.Tables {
		total += m.Tables[i].Size
	}
	return total
}

// maxManifest bounds the object of a manifest and its JSON, in bytes. It names tables and
// lists, not chunks: 100,000 tables fit.
const maxManifest = 64 << 20

// ReadManifest reads the manifest of that name from a store.
func (c *Codec) ReadManifest(ctx context.Context, s blob.Store, name string) (Snapshot, error) {
	body, err := blob.ReadAll(ctx, s, name, maxManifest)
	if err != nil {
		return Snapshot{}, damaged(name, err)
	}
	return DecodeManifest(c, name, body)
}

// ReadSchema reads the schema of a snapshot and checks that it is the one the tables
// were stored under.
func (c *Codec) ReadSchema(ctx context.Context, s blob.Store, m *Manifest) (*database.Schema, error) {
	payload, err := c.Fetch(ctx, s, KindSchema, m.Schema)
	if err != nil {
		return nil, err
	}
	schema, err := database.DecodeSchema(payload)
	if err == nil {
		err = m.fits(schema)
	}
	if err != nil {
		return nil, &DamageError{Object: m.Schema.Name(), Err: fmt.Errorf("%w: %w", eventlog.ErrCorrupt, err)}
	}
	return schema, nil
}

func (m *Manifest) fits(schema *database.Schema) error {
	if f, err := schema.Fingerprint(); err != nil || f != m.Fingerprint {
		return errors.Join(errors.New("the schema has another fingerprint than the manifest says"), err)
	}
	if len(schema.Tables) != len(m.Tables) {
		return fmt.Errorf("the schema has %d tables, the manifest %d", len(schema.Tables), len(m.Tables))
	}
	for i := range m.Tables {
		if t := &schema.Tables[i]; t.Name != m.Tables[i].Name || t.Version() != m.Tables[i].Version {
			return fmt.Errorf("table %d of the schema is %q, of the manifest %q", i, t.Name, m.Tables[i].Name)
		}
	}
	return nil
}

// ReadChunks reads the names of a table's chunks.
func (c *Codec) ReadChunks(ctx context.Context, s blob.Store, t *TableEntry) ([]Chunk, error) {
	var chunks []Chunk
	for _, l := range t.Lists {
		payload, err := c.Fetch(ctx, s, KindList, l)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Name, err)
		}
		part, err := parseList(payload, l.Entries)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", t.Name, &DamageError{Object: l.Name(), Err: err})
		}
		chunks = append(chunks, part...)
	}
	if err := t.checkChunks(chunks); err != nil {
		return nil, &DamageError{Object: t.Lists[0].Name(), Err: fmt.Errorf("%w: table %s: %w", eventlog.ErrCorrupt, t.Name, err)}
	}
	return chunks, nil
}

func (t *TableEntry) checkChunks(chunks []Chunk) error {
	var entries, raw, size int64
	for i := range chunks {
		entries, raw, size = entries+chunks[i].Entries, raw+chunks[i].Raw, size+chunks[i].Size
		if t.Ordered && i > 0 && bytes.Compare(chunks[i-1].Start, chunks[i].Start) >= 0 {
			return fmt.Errorf("chunk %d does not begin after the one before it", i)
		}
	}
	if len(chunks) > 0 && len(chunks[0].Start) != 0 {
		return errors.New("the first chunk does not begin at the beginning")
	}
	if entries != t.Entries || raw != t.Raw || size != t.Size {
		return fmt.Errorf("the chunks hold %d entries in %d bytes, want %d in %d", entries, raw, t.Entries, t.Raw)
	}
	return nil
}

// AppendLists encodes the lists of a table's chunks: the objects to store, and their Refs.
func (c *Codec) AppendLists(chunks []Chunk) (bodies [][]byte, refs []Ref, err error) {
	for len(chunks) > 0 {
		n := min(len(chunks), listLimit)
		body, ref, err := c.Encode(nil, KindList, n, appendList(nil, chunks[:n]))
		if err != nil {
			return nil, nil, err
		}
		bodies, refs, chunks = append(bodies, body), append(refs, ref), chunks[n:]
	}
	return bodies, refs, nil
}

// damaged marks a failed read as damage if that is what it is: the object is missing, or
// larger than it can be.
func damaged(name string, err error) error {
	if errors.Is(err, blob.ErrNotExist) || errors.Is(err, blob.ErrTooLarge) {
		return &DamageError{Object: name, Err: err}
	}
	return err
}

// fetchBody reads an object that should have size bytes, never more than one above it.
func fetchBody(ctx context.Context, s blob.Store, name string, size int64) ([]byte, error) {
	body, err := blob.ReadAll(ctx, s, name, size)
	if errors.Is(err, blob.ErrTooLarge) {
		return nil, &DamageError{Object: name, Err: fmt.Errorf("%w: more than the %d bytes in the reference to it", eventlog.ErrCorrupt, size)}
	}
	if err != nil {
		return nil, damaged(name, err)
	}
	return body, nil
}
