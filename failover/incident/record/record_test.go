package record_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"lifeboat/failover/incident"
	"lifeboat/failover/incident/record"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/signers"
)

var planA = strings.Repeat("aa", 32)

// office is a company with a key for each person, two stores and a clock.
type office struct {
	dr, primary *memory.Store
	keys        map[string]*signers.Key
	file        string
	ring        *signers.Ring
	mu          sync.Mutex
	now         time.Time
	book        *record.Book
}

func newOffice(t testing.TB) *office {
	t.Helper()
	o := &office{dr: memory.New(), primary: memory.New(), keys: map[string]*signers.Key{},
		now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	for _, who := range []string{"ada,role:ceo", "pam,role:dpo", "bob,role:cto", "lin,role:ld", "sam,role:staff"} {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		require.NoError(t, err)
		signer, err := ssh.NewSignerFromKey(private)
		require.NoError(t, err)
		o.keys[strings.Split(who, ",")[0]] = signers.NewKey(signer)
		o.file += who + " " + string(ssh.MarshalAuthorizedKey(signer.PublicKey()))
	}
	var err error
	o.ring, err = signers.ParseRing([]byte(o.file))
	require.NoError(t, err)
	o.book = o.open(t, o.primary)
	return o
}

func (o *office) open(t testing.TB, primary blob.Store) *record.Book {
	t.Helper()
	b, err := record.New(record.Config{DR: o.dr, Primary: primary, Ring: o.ring, Clock: o.clock,
		Policy: incident.DefaultPolicy("ada", "pam", "bob", "lin")})
	require.NoError(t, err)
	return b
}

func (o *office) clock() time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.now = o.now.Add(time.Second)
	return o.now
}

func (o *office) draft(who string, e incident.Entry) incident.Draft {
	return incident.Draft{Key: o.keys[who], Entry: e}
}

func report() incident.Entry {
	return incident.Entry{Kind: incident.Reported, Report: &incident.Report{Title: "database unreachable", From: "sam", Verbal: true}}
}

func note(text string) incident.Entry { return incident.Entry{Kind: incident.Updated, Text: text} }

// story opens an incident and adds n notes, the second of which has an attachment.
func (o *office) story(t testing.TB, n int) string {
	t.Helper()
	first, err := o.book.Open(t.Context(), o.draft("bob", report()))
	require.NoError(t, err)
	for i := range n {
		d := o.draft("sam", note(fmt.Sprint("note ", i)))
		if i == 1 {
			d.Files = []incident.File{{Name: "/tmp/screen.txt", Body: []byte("all red")}}
		}
		_, err := o.book.Append(t.Context(), first.Entry.Stream, d)
		require.NoError(t, err)
	}
	return first.Entry.Stream
}

func object(stream string, n int) string { return fmt.Sprintf("%s/%06d", stream, n) }

func TestEntriesAreInBothStoresByteForByte(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	stream := o.story(t, 3)
	require.Equal(t, "incidents/SI-2026-0001", stream)
	require.Equal(t, []string{object(stream, 1), object(stream, 2), object(stream, 3), object(stream, 4),
		stream + "/attachments/" + incident.Digest([]byte("all red"))}, o.dr.Names())
	require.Equal(t, o.dr.Names(), o.primary.Names())
	for _, name := range o.dr.Names() {
		a, _ := o.dr.Bytes(name)
		b, _ := o.primary.Bytes(name)
		require.Equal(t, a, b)
	}
	found, err := o.book.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, found)
	c, err := o.book.Read(t.Context(), stream)
	require.NoError(t, err)
	require.Len(t, c.Entries, 4)
	require.Equal(t, "bob", c.Entries[0].Who.Person)
	require.Equal(t, "cto", c.Entries[0].Entry.Role)
	body, err := o.book.Attachment(t.Context(), stream, c.Entries[2].Entry.Attachments[0])
	require.NoError(t, err)
	require.Equal(t, "all red", string(body))
	require.Empty(t, o.dr.Violations())
	require.Empty(t, o.primary.Violations())
}

// TestAnEntryCanBeCheckedWithOpenSSHAlone follows the commands in package signers' doc.
func TestAnEntryCanBeCheckedWithOpenSSHAlone(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Skip("needs ssh-keygen (package openssh-client)")
	}
	o := newOffice(t)
	stream := o.story(t, 0)
	body, _ := o.dr.Bytes(object(stream, 1))
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "entry"), body, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "allowed_signers"), []byte(o.file), 0o600))
	script := exec.Command("sh", "-ec", `
sed '/^-----BEGIN SSH SIGNATURE-----$/,$d' entry > text
sed -n '/^-----BEGIN SSH SIGNATURE-----$/,$p' entry > text.sig
ssh-keygen -Y verify -f allowed_signers -I bob -n lifeboat-incident -s text.sig < text`)
	script.Dir = dir
	out, err := script.CombinedOutput()
	require.NoError(t, err, string(out))
	require.Contains(t, string(out), "Good")
}

func TestOrderOfWorkIsHeldWhenWriting(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	stream := o.story(t, 0)
	_, err := o.book.Append(t.Context(), stream, o.draft("bob", incident.Entry{Kind: incident.RecoveryStarted, Recovery: &incident.Recovery{Plan: planA}}))
	require.ErrorIs(t, err, incident.ErrOrder)
	_, err = o.book.Append(t.Context(), stream, o.draft("sam", incident.Entry{Kind: incident.Closed}))
	require.ErrorIs(t, err, incident.ErrOrder)
	d := o.draft("sam", note("x"))
	d.Role = "ceo"
	_, err = o.book.Append(t.Context(), stream, d)
	require.ErrorContains(t, err, "sam does not hold the role ceo")
	_, err = o.book.Append(t.Context(), "incidents/SI-2026-0009", o.draft("sam", note("x")))
	require.ErrorIs(t, err, incident.ErrNoIncident)
	_, err = o.book.Append(t.Context(), "log/1", o.draft("sam", note("x")))
	require.Error(t, err)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	signer, err := ssh.NewSignerFromKey(private)
	require.NoError(t, err)
	_, err = o.book.Append(t.Context(), stream, incident.Draft{Key: signers.NewKey(signer), Entry: note("x")})
	require.ErrorIs(t, err, signers.ErrUnknownKey)
	_, err = o.book.Append(t.Context(), stream, incident.Draft{Entry: note("x")})
	require.ErrorIs(t, err, signers.ErrNoKey)
	require.Equal(t, []string{object(stream, 1)}, o.dr.Names())
}

func TestManyWritersGetConsecutiveNumbers(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	stream := o.story(t, 0)
	books := []*record.Book{o.book, o.open(t, o.primary), o.open(t, nil)}
	var wg sync.WaitGroup
	errs := make([]error, 12)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = books[i%3].Append(t.Context(), stream, o.draft("sam", note(fmt.Sprint(i))))
		})
	}
	ids := make([]string, 5)
	for i := range ids {
		wg.Go(func() {
			e, err := books[i%3].Open(t.Context(), o.draft("bob", report()))
			if err == nil {
				ids[i] = e.Entry.Stream
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(errs...))
	require.ElementsMatch(t, []string{"incidents/SI-2026-0002", "incidents/SI-2026-0003", "incidents/SI-2026-0004",
		"incidents/SI-2026-0005", "incidents/SI-2026-0006"}, ids)
	require.NoError(t, o.book.SyncAll(t.Context()))
	found, err := o.book.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, found)
	c, err := o.book.Read(t.Context(), stream)
	require.NoError(t, err)
	require.Len(t, c.Entries, 13)
}

// TestEveryCallOfAWriteFailsInBothForms lets each call of one Append to the DR store fail,
// lost or done: afterwards the entry is there once, or not at all and the caller knows.
func TestEveryCallOfAWriteFailsInBothForms(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]memory.Fault{"failed": memory.Failed(), "done but failed": memory.DoneButFailed()} {
		for call := range 8 {
			t.Run(fmt.Sprintf("%s/call %d", name, call+1), func(t *testing.T) {
				t.Parallel()
				o := newOffice(t)
				stream := o.story(t, 1)
				o.dr.Use(&memory.Rule{Skip: call, Times: 1, Fault: fault})
				d := o.draft("sam", note("once"))
				d.Files = []incident.File{{Name: "a", Body: []byte("b")}}
				_, err := o.book.Append(t.Context(), stream, d)
				o.dr.Use(nil)
				c, rerr := o.book.Read(t.Context(), stream)
				require.NoError(t, rerr)
				want := 3
				if err != nil {
					want = 2
				}
				require.Len(t, c.Entries, want, "append said %v", err)
				require.Empty(t, c.Damage())
				_, err = o.book.Append(t.Context(), stream, o.draft("sam", note("and on")))
				require.NoError(t, err)
				require.NoError(t, o.book.SyncAll(t.Context()))
				found, err := o.book.Verify(t.Context())
				require.NoError(t, err)
				require.Empty(t, found)
			})
		}
	}
}

func TestWorksWithOnlyTheDRStoreAndCopiesLater(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	stream := o.story(t, 1)
	o.primary.Use(memory.Always(memory.Failed()))
	for range 3 {
		d := o.draft("sam", note("while it is lost"))
		d.Files = []incident.File{{Name: "a", Body: []byte("b")}}
		_, err := o.book.Append(t.Context(), stream, d)
		require.NoError(t, err)
	}
	alone := o.open(t, nil)
	c, err := alone.Read(t.Context(), stream)
	require.NoError(t, err)
	require.Len(t, c.Entries, 5)
	require.Empty(t, c.Damage())
	require.Equal(t, incident.NotCompared, c.Findings[0].Problem)

	o.primary.Use(nil)
	healed := o.open(t, o.primary)
	found, err := healed.Verify(t.Context())
	require.NoError(t, err)
	require.Len(t, found, 3)
	for _, f := range found {
		require.Equal(t, incident.Behind, f.Problem)
		require.False(t, f.Damage())
	}
	_, err = healed.Append(t.Context(), stream, o.draft("sam", note("it is back"))) // brings the others along
	require.NoError(t, err)
	found, err = healed.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, found)
	require.Equal(t, o.dr.Names(), o.primary.Names())
}

// TestALostRegionIsWaitedForOnce: a primary that swallows packets costs one wait, not one a call.
func TestALostRegionIsWaitedForOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := newOffice(t)
		stream := o.story(t, 1)
		o.primary.Use(memory.Always(memory.Hung()))
		began := time.Now()
		for range 5 {
			_, err := o.book.Append(t.Context(), stream, o.draft("sam", note("x")))
			require.NoError(t, err)
		}
		require.Equal(t, 5*time.Second, time.Since(began))
	})
}

func TestNothingIsWrittenAfterCancel(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	stream := o.story(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := o.book.Append(ctx, stream, o.draft("sam", note("x")))
	require.ErrorIs(t, err, context.Canceled)
	require.Len(t, o.dr.Names(), 1)
}

func TestTimesNeverGoBackAcrossMachines(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	stream := o.story(t, 1)
	o.now = o.now.Add(-time.Hour)
	e, err := o.book.Append(t.Context(), stream, o.draft("sam", note("my clock is slow")))
	require.NoError(t, err)
	c, err := o.book.Read(t.Context(), stream)
	require.NoError(t, err)
	require.Equal(t, c.Entries[1].Entry.Recorded, e.Entry.Recorded)
	require.True(t, e.Entry.At.Before(e.Entry.Recorded))
}

func TestNewNeedsAStoreAndARing(t *testing.T) {
	t.Parallel()
	_, err := record.New(record.Config{})
	require.Error(t, err)
}

func TestGoldenEntry(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("testdata/v1/entry")
	require.NoError(t, err)
	file, err := os.ReadFile("testdata/v1/allowed_signers")
	require.NoError(t, err)
	ring, err := signers.ParseRing(file)
	require.NoError(t, err)
	dr := memory.New()
	require.NoError(t, dr.Create(t.Context(), "incidents/SI-2026-0001/000001", body))
	b, err := record.New(record.Config{DR: dr, Ring: ring, Policy: incident.DefaultPolicy("ada")})
	require.NoError(t, err)
	s, c, err := b.Incident(t.Context(), "SI-2026-0001")
	require.NoError(t, err)
	require.Empty(t, c.Damage())
	require.Equal(t, "database unreachable", s.Title)
	require.Equal(t, time.Date(2026, 3, 2, 8, 50, 0, 0, time.UTC), s.Outages[0].From)

	newer := bytes.Replace(body, []byte(`{"format":1`), []byte(`{"format":2`), 1)
	later := memory.New()
	require.NoError(t, later.Create(t.Context(), "incidents/SI-2026-0001/000001", newer))
	b, err = record.New(record.Config{DR: later, Ring: ring})
	require.NoError(t, err)
	c, err = b.Read(t.Context(), "incidents/SI-2026-0001")
	require.NoError(t, err)
	require.Equal(t, incident.Unreadable, c.Damage()[0].Problem)
}
