package snapshot

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/database"
	"lifeboat/restore"
	"lifeboat/restore/internal/pipeline"
)

// VerifyReport is what Verify found.
type VerifyReport struct {
	Snapshots int       `json:"snapshots"` // with an intact manifest
	Objects   int       `json:"objects"`   // read: schemas, lists and chunks, each once, needed or not
	Bytes     int64     `json:"bytes"`     // of them
	Damage    []Finding `json:"damage"`    // empty: every snapshot is whole
	// Unusable are the manifests of snapshots that lack something; see restore.Prepare.
	Unusable []eventlog.Digest `json:"unusable"`
	// Window is what can be proven with what is whole; Lost is what could be proven
	// besides if there were no damage. A damaged manifest hides how far it reached: then
	// Lost is what lies between its Seq and the next whole snapshot.
	Window []restore.Range `json:"window"`
	Lost   []restore.Range `json:"lost"`
}

// Finding is one object that is damaged or missing, and the snapshots that need it.
type Finding struct {
	Object    string         `json:"object"`
	Detail    string         `json:"detail"`
	Snapshots []eventlog.Seq `json:"snapshots"`
}

// List returns every snapshot of a store, oldest position first, and the manifests that
// cannot be used. It does not look at chunks.
func List(ctx context.Context, store blob.Store) ([]restore.Snapshot, []restore.Damage, error) {
	codec, err := restore.NewCodec(1)
	if err != nil {
		return nil, nil, err
	}
	return restore.ReadSnapshots(ctx, store, codec)
}

// Verify reads every object of every snapshot in a store, checks its digest and contents,
// and adds up the rows of each table to the state in the manifest. It repairs nothing.
// The error is for a store that cannot be read; damage is in the report. It holds about
// 64 MiB and some 150 bytes a chunk. progress may be nil.
func Verify(ctx context.Context, store blob.Store, progress func(restore.Progress)) (*VerifyReport, error) {
	return VerifyFrom(ctx, store, VerifyConfig{Progress: progress})
}

// VerifyConfig lets a verification go on where an earlier one stopped.
type VerifyConfig struct {
	Progress func(restore.Progress) // may be nil
	// Known are the chunks that an earlier verification found whole. They are not read.
	Known []Checked
	// Note is told of every chunk that is found whole, to be Known another time. May be nil.
	Note func(Checked)
}

// Checked is a chunk that was read and found whole. It can be kept as JSON.
type Checked struct {
	Digest eventlog.Digest `json:"digest"`
	// Table is the table that it was read as a part of, with its version, and State what
	// its rows add up to there; both are empty for a chunk that no snapshot needs.
	Table string         `json:"table"`
	State database.State `json:"state"`
}

// VerifyFrom is Verify that does not read again what is known to be whole.
func VerifyFrom(ctx context.Context, store blob.Store, cfg VerifyConfig) (*VerifyReport, error) {
	inv, err := restore.SurveyAll(ctx, store)
	if err != nil {
		return nil, fmt.Errorf("verify snapshots: %w", err)
	}
	codec, err := restore.NewCodec(uploads)
	if err != nil {
		return nil, err
	}
	v := &verifier{
		store: store, codec: codec, inv: inv, progress: cfg.Progress, note: cfg.Note, report: &VerifyReport{Snapshots: len(inv.Snapshots)},
		objects: make(map[eventlog.Digest]error), states: make(map[chunkOf]database.State),
		known: make(map[eventlog.Digest]bool),
	}
	if v.progress == nil {
		v.progress = func(restore.Progress) {}
	}
	if v.note == nil {
		v.note = func(Checked) {}
	}
	for _, k := range cfg.Known {
		if k.Table == "" {
			v.known[k.Digest] = true
		} else {
			v.states[chunkOf{k.Digest, k.Table}] = k.State
		}
	}
	before := inv.Window()
	v.brokenManifests()
	for _, s := range inv.Snapshots {
		if err := v.snapshot(ctx, s); err != nil {
			return nil, fmt.Errorf("verify the snapshot at seq %d: %w", uint64(s.Position.Seq), err)
		}
	}
	if err := v.rest(ctx); err != nil {
		return nil, fmt.Errorf("verify chunks that no snapshot needs: %w", err)
	}
	for _, s := range inv.Snapshots {
		if _, bad := inv.Unusable[s.Digest]; bad {
			v.report.Unusable = append(v.report.Unusable, s.Digest)
		}
	}
	v.report.Window = inv.Window()
	v.report.Lost = append(subtract(before, v.report.Window), v.hidden(v.report.Window)...)
	slices.SortFunc(v.report.Lost, func(a, b restore.Range) int { return int(a.From.Seq) - int(b.From.Seq) })
	return v.report, nil
}

// chunkOf is a chunk as part of a table: the same rows hash differently in another one.
type chunkOf struct {
	digest eventlog.Digest
	table  string
}

type verifier struct {
	store    blob.Store
	codec    *restore.Codec
	inv      *restore.Inventory
	progress func(restore.Progress)
	note     func(Checked)
	report   *VerifyReport
	objects  map[eventlog.Digest]error // read: nil if intact
	states   map[chunkOf]database.State
	known    map[eventlog.Digest]bool // whole, and needed by nothing, as an earlier run found
	hiding   []eventlog.Seq           // of manifests that cannot be read
}

func (v *verifier) brokenManifests() {
	for _, d := range v.inv.Damage {
		f := Finding{Object: d.Object, Detail: d.Detail}
		if seq, _, err := restore.ParseManifestName(d.Object); err == nil {
			f.Snapshots = []eventlog.Seq{seq}
			v.hiding = append(v.hiding, seq)
		}
		v.report.Damage = append(v.report.Damage, f)
	}
}

// found notes damage of an object that a snapshot needs.
func (v *verifier) found(object, detail string, s restore.Snapshot) {
	v.inv.Unusable[s.Digest] = object
	for i := range v.report.Damage {
		if f := &v.report.Damage[i]; f.Object == object {
			if !slices.Contains(f.Snapshots, s.Position.Seq) {
				f.Snapshots = append(f.Snapshots, s.Position.Seq)
			}
			return
		}
	}
	v.report.Damage = append(v.report.Damage, Finding{Object: object, Detail: detail, Snapshots: []eventlog.Seq{s.Position.Seq}})
}

// damage notes err if it is damage to an object, and returns it if it is anything else.
func (v *verifier) damage(err error, s restore.Snapshot) error {
	var damage *restore.DamageError
	if !errors.As(err, &damage) {
		return err
	}
	v.found(damage.Object, damage.Err.Error(), s)
	return nil
}

func (v *verifier) snapshot(ctx context.Context, s restore.Snapshot) error {
	schema, err := v.codec.ReadSchema(ctx, v.store, s.Manifest)
	if err != nil {
		return v.damage(err, s)
	}
	v.count(s.Schema)
	parent, err := v.parent(s)
	if err != nil {
		v.found(s.Name(), err.Error(), s)
		return nil
	}
	for i := range s.Tables {
		sum, err := v.table(ctx, s, &schema.Tables[i], &s.Tables[i])
		if err != nil {
			return err
		}
		if parent.Manifest != nil {
			sum = sum.Plus(parent.Tables[i].State)
		}
		if _, bad := v.inv.Unusable[s.Digest]; !bad && sum != s.Tables[i].State {
			v.found(s.Name(), fmt.Sprintf("the rows of table %s add up to %s, the manifest says %s", s.Tables[i].Name, sum, s.Tables[i].State), s)
		}
	}
	return nil
}

// parent is the zero Snapshot for a whole one.
func (v *verifier) parent(s restore.Snapshot) (restore.Snapshot, error) {
	if s.Kind.Whole() {
		return restore.Snapshot{}, nil
	}
	at := slices.IndexFunc(v.inv.Snapshots, func(p restore.Snapshot) bool { return p.Digest == s.Parent.Digest })
	if at < 0 {
		return restore.Snapshot{}, fmt.Errorf("its parent, %s, is missing or damaged", restore.ManifestName(s.Parent.Seq, s.Parent.Digest))
	}
	if len(v.inv.Snapshots[at].Tables) != len(s.Tables) {
		return restore.Snapshot{}, errors.New("its parent has other tables")
	}
	return v.inv.Snapshots[at], nil
}

// table reads a table's lists and chunks, each object once, and adds up its rows.
func (v *verifier) table(ctx context.Context, s restore.Snapshot, table *database.Table, e *restore.TableEntry) (sum database.State, err error) {
	chunks, err := v.codec.ReadChunks(ctx, v.store, e)
	if err != nil {
		return sum, v.damage(err, s)
	}
	for _, l := range e.Lists {
		v.count(l)
	}
	tag := table.Name + "\x00" + table.Version()
	read := pipeline.Pipeline[checked]{
		Memory: pipeline.NewBudget(32 << 20), Requests: uploads,
		Weigh: func(i int) int64 { return chunks[i].Weight() },
		Fetch: func(ctx context.Context, i int) (checked, error) {
			return v.check(ctx, chunks[i], s.Kind.Whole(), table), nil
		},
	}
	var missing []restore.Chunk
	for _, c := range chunks {
		if state, ok := v.states[chunkOf{c.Digest, tag}]; ok {
			sum = sum.Plus(state)
			v.count(c.Ref)
			if err := v.objects[c.Digest]; err != nil {
				v.found(c.Name(), err.Error(), s)
			}
			continue
		}
		missing = append(missing, c)
	}
	chunks = missing
	for item, err := range read.Run(ctx, len(chunks)) {
		if err != nil {
			return sum, err
		}
		c := chunks[item.Index]
		err := item.Value.err
		item.Release()
		v.count(c.Ref)
		if err != nil {
			if err := v.damage(err, s); err != nil {
				return sum, err
			}
			var damage *restore.DamageError
			errors.As(err, &damage)
			v.objects[c.Digest] = damage.Err
		} else {
			v.note(Checked{c.Digest, tag, item.Value.state})
		}
		v.states[chunkOf{c.Digest, tag}] = item.Value.state
		sum = sum.Plus(item.Value.state)
	}
	return sum, nil
}

// checked is what one chunk turned out to be.
type checked struct {
	state database.State
	err   error
}

// check reads one chunk and hashes its rows.
func (v *verifier) check(ctx context.Context, c restore.Chunk, whole bool, table *database.Table) checked {
	kind := restore.KindChanges
	if whole {
		kind = restore.KindRows
	}
	payload, err := v.codec.Fetch(ctx, v.store, kind, c.Ref)
	if err != nil {
		return checked{err: err}
	}
	var state database.State
	var scratch []byte
	entries := int64(0)
	for len(payload) > 0 && err == nil {
		op := database.Insert
		var row []byte
		if whole {
			row, payload, err = restore.NextRow(payload)
		} else {
			op, row, payload, err = restore.NextChange(payload)
		}
		if err == nil {
			err = table.CheckRow(row)
		}
		var h database.RowHash
		h, scratch = table.Hash(scratch, row)
		if op == database.Insert {
			state.Add(h)
		} else {
			state.Sub(h)
		}
		entries++
	}
	if err == nil && entries != c.Entries {
		err = fmt.Errorf("%w: %d entries, want %d", eventlog.ErrCorrupt, entries, c.Entries)
	}
	if err != nil {
		err = &restore.DamageError{Object: c.Name(), Err: err}
	}
	return checked{state, err}
}

// rest checks what no readable manifest refers to: leftovers of interrupted uploads, and
// the chunks of snapshots whose manifest is damaged, which may yet be repaired.
func (v *verifier) rest(ctx context.Context) error {
	for info, err := range v.store.List(ctx, restore.ChunkPrefix, "") {
		if err != nil {
			return err
		}
		d, ok := restore.ParseChunkName(info.Name)
		if !ok {
			v.report.Damage = append(v.report.Damage, Finding{Object: info.Name, Detail: "nothing that lifeboat stores has such a name"})
			continue
		}
		_, read := v.objects[d]
		if read || slices.ContainsFunc(v.report.Damage, func(f Finding) bool { return f.Object == info.Name }) {
			continue
		}
		if v.known[d] {
			v.count(restore.Ref{Digest: d, Size: info.Size})
			continue
		}
		sum, err := digest(ctx, v.store, info.Name)
		if errors.Is(err, blob.ErrNotExist) {
			continue // removed meanwhile; nothing needed it
		}
		if err != nil {
			return err
		}
		v.count(restore.Ref{Digest: d, Size: info.Size})
		if sum != d {
			v.objects[d] = eventlog.ErrCorrupt
			v.report.Damage = append(v.report.Damage, Finding{Object: info.Name, Detail: "its bytes do not have the SHA-256 in its name"})
		} else {
			v.note(Checked{Digest: d})
		}
	}
	return nil
}

func digest(ctx context.Context, store blob.Store, name string) (d eventlog.Digest, err error) {
	r, err := store.Get(ctx, name, 0, -1)
	if err != nil {
		return d, err
	}
	h := sha256.New()
	_, err = io.Copy(h, r)
	h.Sum(d[:0])
	return d, errors.Join(err, r.Close())
}

// count notes an object that was read, once.
func (v *verifier) count(ref restore.Ref) {
	if _, again := v.objects[ref.Digest]; again {
		return
	}
	v.objects[ref.Digest] = nil
	v.report.Objects++
	v.report.Bytes += ref.Size
	v.progress(restore.Progress{Step: "verify", Done: v.report.Bytes})
}

// hidden is what broken manifests may have proven: from their Seq to the next point that
// is proven still.
func (v *verifier) hidden(window []restore.Range) []restore.Range {
	var lost []restore.Range
	for _, seq := range v.hiding {
		if restore.Contains(window, seq) {
			continue
		}
		r := restore.Range{From: restore.Point{Seq: seq}, To: restore.Point{Seq: seq}}
		for _, w := range window {
			if w.From.Seq > seq {
				r.To.Seq = w.From.Seq - 1
				break
			}
		}
		lost = append(lost, r)
	}
	return lost
}

// subtract returns the points of a that are not in b; both are in order.
func subtract(a, b []restore.Range) []restore.Range {
	var left []restore.Range
	for _, r := range a {
		for _, cut := range b {
			if cut.To.Seq < r.From.Seq || r.To.Seq < cut.From.Seq {
				continue
			}
			if r.From.Seq < cut.From.Seq {
				left = append(left, restore.Range{From: r.From, To: restore.Point{Seq: cut.From.Seq - 1}})
			}
			r.From = restore.Point{Seq: cut.To.Seq + 1}
		}
		if r.From.Seq <= r.To.Seq {
			left = append(left, r)
		}
	}
	return left
}
