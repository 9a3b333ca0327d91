package record_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/incident"
	"lifeboat/failover/incident/record"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/signers"
)

const notes = 4 // entries 1 (the report) to 5

// TestTamperingIsFoundAndNamed does every kind of harm to every entry of a chain, in one
// store and in both.
func TestTamperingIsFoundAndNamed(t *testing.T) {
	t.Parallel()
	type harm struct {
		name string
		do   func(s *memory.Store, stream string, n int)
		want incident.Problem
	}
	harms := []harm{
		{"flipped bit in the text", func(s *memory.Store, stream string, n int) { s.Tamper(object(stream, n), memory.Flip(8*40)) }, incident.Altered},
		{"flipped bit in the signature", func(s *memory.Store, stream string, n int) {
			s.Tamper(object(stream, n), func(b []byte) []byte { return memory.Flip(8 * (len(b) - 60))(b) })
		}, incident.Altered},
		{"cut short", func(s *memory.Store, stream string, n int) { s.Tamper(object(stream, n), memory.Cut(100)) }, incident.Altered},
		{"emptied", func(s *memory.Store, stream string, n int) { s.Tamper(object(stream, n), memory.Cut(0)) }, incident.Altered},
		{"blown up", func(s *memory.Store, stream string, n int) {
			s.Tamper(object(stream, n), func([]byte) []byte { return bytes.Repeat([]byte("x"), 1<<20) })
		}, incident.Altered},
		{"text changed", func(s *memory.Store, stream string, n int) {
			s.Tamper(object(stream, n), func(b []byte) []byte { return bytes.Replace(b, []byte(`"role":"`), []byte(`"role":"x`), 1) })
		}, incident.Altered},
		{"bytes added", func(s *memory.Store, stream string, n int) {
			s.Tamper(object(stream, n), func(b []byte) []byte { return append(b, '\n') })
		}, incident.Altered},
		{"removed", func(s *memory.Store, stream string, n int) { s.Remove(object(stream, n)) }, incident.Missing},
		{"replaced by another number", func(s *memory.Store, stream string, n int) {
			other, _ := s.Bytes(object(stream, 1+n%(notes+1)))
			s.Put(object(stream, n), other)
		}, incident.Moved},
	}
	for _, h := range harms {
		for n := 1; n <= notes+1; n++ {
			for _, where := range []string{"dr", "primary", "both"} {
				t.Run(fmt.Sprintf("%s/%d/%s", h.name, n, where), func(t *testing.T) {
					t.Parallel()
					o := newOffice(t)
					stream := o.story(t, notes)
					second, err := o.book.Open(t.Context(), o.draft("bob", report())) // it quotes the first's head
					require.NoError(t, err)
					if where != "primary" {
						h.do(o.dr, stream, n)
					}
					if where != "dr" {
						h.do(o.primary, stream, n)
					}
					found, err := o.book.Verify(t.Context())
					require.NoError(t, err)
					lastGone := n == notes+1 && h.want == incident.Missing
					requireFinding(t, found, stream, n, h.want, where == "primary" && lastGone)
					for _, f := range found {
						require.Equal(t, stream, f.Stream, "the second incident is innocent: %s", f)
						require.LessOrEqual(t, n-1, f.N)
					}
					c, err := o.book.Read(t.Context(), stream)
					require.NoError(t, err)
					if where != "both" {
						require.Len(t, c.Entries, notes+1, "the other store still tells all")
					}
					require.Equal(t, "incidents/SI-2026-0002", second.Entry.Stream)
				})
			}
		}
	}
}

// requireFinding wants the entry named; a tail missing from the copy alone counts as behind.
func requireFinding(t *testing.T, found []incident.Finding, stream string, n int, want incident.Problem, behind bool) {
	t.Helper()
	if behind {
		want = incident.Behind
	}
	for _, f := range found {
		if f.Stream == stream && f.N == n && f.Problem == want {
			return
		}
	}
	t.Fatalf("no finding %q of entry %d in %v", want, n, found)
}

func TestSwappedEntriesAreBothNamed(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	stream := o.story(t, notes)
	for _, s := range []*memory.Store{o.dr, o.primary} {
		s.Swap(object(stream, 2), object(stream, 4))
	}
	found, err := o.book.Verify(t.Context())
	require.NoError(t, err)
	requireFinding(t, found, stream, 2, incident.Moved, false)
	requireFinding(t, found, stream, 4, incident.Moved, false)
}

// TestRewrittenByOneWhoMaySign: a member rewrites an entry with a good signature.
func TestRewrittenByOneWhoMaySign(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	stream := o.story(t, notes)
	other := newOffice(t)
	other.ring, other.keys, other.now = o.ring, o.keys, o.now.Add(time.Hour)
	other.book = other.open(t, nil)
	require.Equal(t, stream, other.story(t, notes))
	forged, _ := other.dr.Bytes(object(stream, 3))

	o.dr.Put(object(stream, 3), forged)
	found, err := o.book.Verify(t.Context())
	require.NoError(t, err)
	requireFinding(t, found, stream, 3, incident.Forked, false)
	requireFinding(t, found, stream, 4, incident.Unlinked, false)
	c, err := o.book.Read(t.Context(), stream)
	require.NoError(t, err)
	good, _ := o.primary.Bytes(object(stream, 3))
	require.Equal(t, incident.Digest(good), c.Entries[2].Digest, "the one that the next entry names is believed")

	o.primary.Put(object(stream, 3), forged)
	found, err = o.book.Verify(t.Context())
	require.NoError(t, err)
	requireFinding(t, found, stream, 4, incident.Unlinked, false)
}

// TestTheEndRemovedFromBothStores is what no chain can see by itself.
func TestTheEndRemovedFromBothStores(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	stream := o.story(t, notes)
	before, err := o.book.Read(t.Context(), stream)
	require.NoError(t, err)
	head := incident.Head{Stream: stream, N: before.N, Digest: before.Head}
	for _, s := range []*memory.Store{o.dr, o.primary} {
		s.Remove(object(stream, notes+1))
	}
	found, err := o.book.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, found, "nothing quotes it")
	found, err = o.book.Verify(t.Context(), head) // a report does
	require.NoError(t, err)
	requireFinding(t, found, stream, notes+1, incident.Missing, false)

	o = newOffice(t)
	stream = o.story(t, notes)
	o.story(t, 1) // the next incident quotes it
	for _, s := range []*memory.Store{o.dr, o.primary} {
		s.Remove(object(stream, notes+1))
	}
	found, err = o.book.Verify(t.Context())
	require.NoError(t, err)
	requireFinding(t, found, stream, notes+1, incident.Missing, false)
	for n := range notes {
		for _, s := range []*memory.Store{o.dr, o.primary} {
			s.Remove(object(stream, n+1))
		}
	}
	found, err = o.book.Verify(t.Context())
	require.NoError(t, err)
	require.Contains(t, fmt.Sprint(found), "nothing of the stream is left")
}

func TestStrangersAndAttachments(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	stream := o.story(t, notes)
	file := stream + "/attachments/" + incident.Digest([]byte("all red"))
	o.dr.Tamper(file, memory.Flip(0))
	o.primary.Remove(file)
	o.dr.Put(stream+"/7", []byte("x"))
	found, err := o.book.Verify(t.Context())
	require.NoError(t, err)
	requireFinding(t, found, stream, 3, incident.Altered, false)
	requireFinding(t, found, stream, 3, incident.Missing, false)
	requireFinding(t, found, stream, 0, incident.Foreign, false)
	c, err := o.book.Read(t.Context(), stream)
	require.NoError(t, err)
	_, err = o.book.Attachment(t.Context(), stream, c.Entries[2].Entry.Attachments[0])
	require.ErrorIs(t, err, record.ErrCorrupt)
}

// TestAnEntryAgainstThePolicyIsNamed: somebody writes past lifeboat, with a good key.
func TestAnEntryAgainstThePolicyIsNamed(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	stream := o.story(t, 0)
	lax, err := record.New(record.Config{DR: o.dr, Primary: o.primary, Ring: o.ring, Clock: o.clock,
		Policy: incident.Policy{PlanQuorum: signers.Quorum{{"cto"}}, BreakGlass: nil, Members: []string{"bob"}}})
	require.NoError(t, err)
	for _, e := range []incident.Entry{
		{Kind: incident.Assessed, Assessment: &incident.Assessment{Extent: "all", Cause: "fire", Breach: incident.BreachNo}},
		{Kind: incident.Planned, Plan: &incident.Plan{Digest: planA}},
		{Kind: incident.Voted, Vote: &incident.Vote{On: incident.OnPlan, Digest: planA, Decision: incident.Approve}},
		{Kind: incident.RecoveryStarted, Recovery: &incident.Recovery{Plan: planA}},
	} {
		_, err := lax.Append(t.Context(), stream, o.draft("bob", e))
		require.NoError(t, err)
	}
	found, err := o.book.Verify(t.Context())
	require.NoError(t, err)
	requireFinding(t, found, stream, 5, incident.Unpermitted, false)
}

// TestADamagedChainStillTakesEntriesButNothingRestsOnIt: work goes on, the gates stay shut.
func TestADamagedChainStillTakesEntriesButNothingRestsOnIt(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	stream := o.story(t, notes)
	for _, s := range []*memory.Store{o.dr, o.primary} {
		s.Tamper(object(stream, 3), memory.Flip(8*40))
	}
	add := func(who string, e incident.Entry) error {
		_, err := o.book.Append(t.Context(), stream, o.draft(who, e))
		return err
	}
	require.NoError(t, add("sam", note("we go on")))
	c, err := o.book.Read(t.Context(), stream)
	require.NoError(t, err)
	last := c.Entries[len(c.Entries)-1].Entry
	require.Contains(t, strings.Join(last.Damage, "\n"), object(stream, 3))
	require.NoError(t, add("bob", incident.Entry{Kind: incident.Assessed, Assessment: &incident.Assessment{Extent: "all", Cause: "fire", Breach: incident.BreachNo}}))
	require.NoError(t, add("bob", incident.Entry{Kind: incident.Planned, Plan: &incident.Plan{Digest: planA}}))
	approve := incident.Entry{Kind: incident.Voted, Vote: &incident.Vote{On: incident.OnPlan, Digest: planA, Decision: incident.Approve}}
	require.NoError(t, add("ada", approve))
	require.NoError(t, add("lin", approve))
	start := incident.Entry{Kind: incident.RecoveryStarted, Recovery: &incident.Recovery{Plan: planA}}
	err = add("bob", start)
	var damaged *record.DamagedError
	require.ErrorAs(t, err, &damaged)
	require.Equal(t, stream, damaged.Stream)
	require.ErrorContains(t, err, object(stream, 3))
	glass := incident.Entry{Kind: incident.Voted, Text: "the record was tampered with", Vote: &incident.Vote{On: incident.OnPlan, Digest: planA, Decision: incident.BreakGlass}}
	require.NoError(t, add("ada", glass))
	require.NoError(t, add("bob", start))
	require.NoError(t, add("pam", incident.Entry{Kind: incident.Investigated, Investigation: &incident.Investigation{Cause: "x", Breach: incident.BreachYes}}))
	require.ErrorAs(t, add("pam", incident.Entry{Kind: incident.Closed}), &damaged)
}

func FuzzReadChain(f *testing.F) {
	o := newOffice(f)
	stream := o.story(f, 1)
	body, _ := o.dr.Bytes(object(stream, 2))
	f.Add(body)
	f.Fuzz(func(t *testing.T, b []byte) {
		s := o.dr.Clone()
		s.Put(object(stream, 2), b)
		book, err := record.New(record.Config{DR: s, Ring: o.ring})
		require.NoError(t, err)
		c, err := book.Read(t.Context(), stream)
		require.NoError(t, err)
		if !bytes.Equal(b, body) && len(c.Damage()) == 0 {
			t.Fatalf("accepted %q", b)
		}
	})
}
