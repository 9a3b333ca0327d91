package failover_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/failover"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
	"lifeboat/restore"
)

var update = flag.Bool("update", false, "rewrite golden files")

func plan(t testing.TB) *failover.Plan {
	t.Helper()
	p, err := failover.NewPlan(facts(), request())
	require.NoError(t, err)
	return p
}

func TestGoldenPlan(t *testing.T) {
	t.Parallel()
	text, err := plan(t).Encode()
	require.NoError(t, err)
	file := filepath.Join("testdata", "v1", "plan.json")
	if *update {
		require.NoError(t, os.WriteFile(file, text, 0o600))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(text))
	p, err := failover.Parse(want)
	require.NoError(t, err)
	hash, err := p.Hash()
	require.NoError(t, err)
	require.Equal(t, failover.HashOf(want), hash)
}

func TestPlanPredicts(t *testing.T) {
	t.Parallel()
	p := plan(t)
	require.Equal(t, "failover-f2603011030", p.Stack.Name)
	require.InDelta(t, 60, p.Loss.Seconds, 0, "from the newest commit to the loss")
	require.Nil(t, p.Loss.Transactions, "unknown is not zero")
	require.Equal(t, uint64(150), *p.Loss.Estimated)
	require.InDelta(t, 5102.623, p.Forecast.TotalSeconds, 0)
	require.True(t, p.Forecast.WithinLimit)
	require.True(t, p.Forecast.WithinYear)
	require.InDelta(t, 12168, p.Forecast.Year.LeftSeconds, 0)

	f := facts()
	primary := f.End
	primary.Seq, primary.Time = f.End.Seq+7, f.End.Time.Add(2*time.Second)
	f.Primary, f.Year.UsedSeconds = &primary, 12000
	f.Restore.Point.Seq = 4700
	p, err := failover.NewPlan(f, request())
	require.NoError(t, err)
	require.Equal(t, uint64(7), *p.Loss.Transactions)
	require.InDelta(t, 2, p.Loss.Seconds, 0)
	require.Equal(t, uint64(11), p.Loss.GivenUp)
	require.False(t, p.Forecast.WithinYear, "5102 s do not fit into 3768 s")
	require.True(t, p.Forecast.WithinLimit)
}

func TestRequestsAreRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*failover.Facts, *failover.Request){
		"no restore plan": func(f *failover.Facts, _ *failover.Request) { f.Restore = nil },
		"id":              func(_ *failover.Facts, r *failover.Request) { r.ID = "2far" },
		"kind":            func(_ *failover.Facts, r *failover.Request) { r.Kind = "failsafe" },
		"validity":        func(_ *failover.Facts, r *failover.Request) { r.Validity = 0 },
		"no time":         func(_ *failover.Facts, r *failover.Request) { r.Created = time.Time{} },
		"no quorum":       func(f *failover.Facts, _ *failover.Request) { f.Quorum.Seats = nil },
		"digest":          func(f *failover.Facts, _ *failover.Request) { f.Code.SHA256 = "abc" },
		"negative step":   func(f *failover.Facts, _ *failover.Request) { f.Steps[0].Seconds = -1 },
	} {
		f, r := facts(), request()
		change(&f, &r)
		_, err := failover.NewPlan(f, r)
		require.ErrorIs(t, err, failover.ErrRequest, name)
	}
}

func TestParseAcceptsOneSpelling(t *testing.T) {
	t.Parallel()
	text, err := plan(t).Encode()
	require.NoError(t, err)
	for name, c := range map[string]struct {
		change func(string) string
		want   error
	}{
		"newer":        {func(s string) string { return strings.Replace(s, `"format": 1`, `"format": 2, "new": 1`, 1) }, failover.ErrNewerFormat},
		"half":         {func(s string) string { return s[:len(s)/2] }, failover.ErrTruncated},
		"no newline":   {func(s string) string { return strings.TrimSuffix(s, "\n") }, failover.ErrTruncated},
		"empty":        {func(string) string { return "" }, failover.ErrTruncated},
		"no JSON":      {func(string) string { return "plan\n" }, failover.ErrCorrupt},
		"spacing":      {func(s string) string { return strings.Replace(s, ": ", ":  ", 1) }, failover.ErrCorrupt},
		"unknown key":  {func(s string) string { return strings.Replace(s, `"id"`, `"also": 1, "id"`, 1) }, failover.ErrCorrupt},
		"twice":        {func(s string) string { return s + s }, failover.ErrCorrupt},
		"other case":   {func(s string) string { return strings.Replace(s, `"id"`, `"ID"`, 1) }, failover.ErrCorrupt},
		"null list":    {func(s string) string { return strings.Replace(s, `"kind": "failover"`, `"kind": null`, 1) }, failover.ErrCorrupt},
		"windows ends": {func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }, failover.ErrCorrupt},
	} {
		_, err := failover.Parse([]byte(c.change(string(text))))
		require.ErrorIs(t, err, c.want, name)
	}
}

func FuzzParse(f *testing.F) {
	text, err := plan(f).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(bytes.Replace(text, []byte("1"), []byte("2"), 1))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := failover.Parse(text)
		if err != nil {
			return
		}
		again, err := p.Encode()
		if err != nil || !bytes.Equal(text, again) {
			t.Fatalf("accepted a second spelling: %v", err)
		}
	})
}

// leaf is a way to one value inside a plan.
type leaf struct {
	path string
	at   func(*failover.Plan) reflect.Value
}

// leaves finds every value of a plan that can be set, by the struct's own shape, so that a
// new field is covered on the day it is added.
func leaves(t *testing.T, v reflect.Value, path string, at func(*failover.Plan) reflect.Value) []leaf {
	t.Helper()
	switch v.Interface().(type) {
	case time.Time, restore.Target, eventlog.Seq, eventlog.Epoch, eventlog.Slot, eventlog.Digest:
		return []leaf{{path, at}}
	}
	var all []leaf
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			all = append(all, leaves(t, v.Field(i), strings.TrimPrefix(path+"."+name, "."), func(p *failover.Plan) reflect.Value { return at(p).Field(i) })...)
		}
	case reflect.Slice:
		for i := range v.Len() {
			all = append(all, leaves(t, v.Index(i), fmt.Sprint(path, ".", i), func(p *failover.Plan) reflect.Value { return at(p).Index(i) })...)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			return leaves(t, v.Elem(), path, func(p *failover.Plan) reflect.Value { return at(p).Elem() })
		}
	default:
		return []leaf{{path, at}}
	}
	return all
}

func alter(t *testing.T, v reflect.Value) {
	t.Helper()
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = x.Add(time.Second)
	case *restore.Target:
		*x = restore.AtSeq(7)
	case *eventlog.Digest:
		x[31] ^= 1
	default:
		switch v.Kind() {
		case reflect.String:
			s := v.String()
			if s == "" {
				v.SetString("x")
				return
			}
			v.SetString(s[:len(s)-1] + string("0123456789abcdef"[(s[len(s)-1]+1)%16]))
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Float64:
			v.SetFloat(v.Float() + 0.001)
		default:
			if v.CanUint() {
				v.SetUint(v.Uint() + 1)
				return
			}
			v.SetInt(v.Int() + 1)
		}
	}
}

func TestEveryChangedFieldChangesTheHashAndIsNamed(t *testing.T) {
	t.Parallel()
	original := plan(t)
	hash, err := original.Hash()
	require.NoError(t, err)
	all := leaves(t, reflect.ValueOf(*original), "", func(p *failover.Plan) reflect.Value { return reflect.ValueOf(p).Elem() })
	require.Greater(t, len(all), 60)
	for _, l := range all {
		p := plan(t)
		alter(t, l.at(p))
		changes, err := failover.Compare(original, p)
		require.NoError(t, err)
		require.NotEmpty(t, changes, l.path)
		require.Equal(t, l.path, changes[0].Field)
		if again, err := p.Hash(); err == nil { // else it is not even a plan any more
			require.NotEqual(t, hash, again, l.path)
		}
		// The same against facts: what differs from how it is now is named.
		if strings.HasPrefix(l.path, "created") || strings.HasPrefix(l.path, "expires") || l.path == "format" || l.path == "id" || l.path == "kind" || l.path == "target" || l.path == "mirror.stale_accepted" {
			continue // the request's, not the facts'
		}
		changes, err = failover.Diff(p, facts(), now)
		require.NoError(t, err, l.path)
		named := false
		for _, c := range changes {
			named = named || c.Field == l.path
		}
		require.True(t, named, l.path)
	}
}

func TestNothingChangedIsNothingNamed(t *testing.T) {
	t.Parallel()
	changes, err := failover.Diff(plan(t), facts(), now)
	require.NoError(t, err)
	require.Empty(t, changes)
}

func TestShelf(t *testing.T) {
	t.Parallel()
	store, ctx := memory.New(), t.Context()
	p := plan(t)
	require.NoError(t, failover.Keep(ctx, store, p))
	require.NoError(t, failover.Keep(ctx, store, p), "again is nothing")
	got, err := failover.Kept(ctx, store, p.ID)
	require.NoError(t, err)
	require.Equal(t, p, got)
	other := *p
	other.Stack.Region = "uksouth"
	require.ErrorIs(t, failover.Keep(ctx, store, &other), blob.ErrExists)
	_, err = failover.Kept(ctx, store, "f26")
	require.ErrorIs(t, err, failover.ErrNoPlan)
	_, err = failover.Kept(ctx, store, "../x")
	require.ErrorIs(t, err, failover.ErrNoPlan)
	list, err := failover.List(ctx, store)
	require.NoError(t, err)
	require.Len(t, list, 1)
	store.Put("plans/f9", []byte("{"))
	_, err = failover.Kept(ctx, store, "f9")
	require.ErrorIs(t, err, failover.ErrTruncated)
}
