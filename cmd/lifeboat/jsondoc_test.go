package main

import (
	"encoding"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/agent"
	"lifeboat/internal/drill"
	"lifeboat/internal/repotest"
	"lifeboat/policies/report"
)

// printed are the objects that verbs print with --json, by the heading of docs/json.md
// under which their fields stand.
var printed = []struct {
	heading string
	object  any
}{
	{"Errors", failure{}},
	{"init", initResult{}},
	{"doctor", doctorResult{}},
	{"capture install", installResult{}},
	{"capture status", captureStatus{}},
	{"capture remove", removeResult{}},
	{"status", statusResult{}},
	{"snapshot take", takeResult{}},
	{"snapshot list", snapshotList{}},
	{"snapshot verify", snapshotVerifyResult{}},
	{"snapshot export", exportResult{}},
	{"log dump, log tail, log find", eventLine{}},
	{"log find --later", laterResult{}},
	{"log verify", verifyResult{}},
	{"log compact", compactResult{}},
	{"restore", restoreResult{}},
	{"restore --dry-run", planResult{}},
	{"restore --shard", shardResult{}},
	{"retention plan, retention apply", retentionResult{}},
	{"takeover", takeoverResult{}},
	{"audit", agent.AuditAnswer{}},
	{"keys check", keysResult{}},
	{"mirror status", mirrorStatus{}},
	{"mirror verify", mirrorVerify{}},
	{"mirror repair", mirrorRepair{}},
	{"drill", drill.Summary{}},
	{"readiness", readinessResult{}},
	{"preflight", preflightResult{}},
	{"code backup, code verify, code restore", codeResult{}},
	{"kit build, kit verify, kit unpack", kitResult{}},
	{"policy check", report.Verdict{}},
	{"policy list", ruleList{}},
	{"policy facts", factsWritten{}},
	{"version", versionResult{}},
	{"failover plan", planned{}},
	{"failover show", shown{}},
	{"failover show without a plan", plansListed{}},
	{"failover approve", approved{}},
	{"failover run, failover resume, failback", runResult{}},
	{"failover status", statusRuns{}},
	{"report committee, report contacts, report drill, report incident", reportResult{}},
	{"report verify", verifiedResult{}},
	{"due", dueResult{}},
	{"committee", registerResult{}},
	{"incident show", showResult{}},
	{"incident list", listResult{}},
	{"incident verify", verifyRecordResult{}},
	{"incident verbs that add an entry", toldResult{}},
}

// fieldOf is one field of an object as JSON has it.
type fieldOf struct {
	name, kind string
	owner      reflect.Type // the struct that declares it
}

// fieldsOf lists the fields of a struct; parts gets every struct that it is made of, by name.
func fieldsOf(t reflect.Type, parts map[string]reflect.Type) (list []fieldOf) {
	own := map[string]bool{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		inner := f.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case name == "-" || !f.IsExported() && !f.Anonymous:
		case f.Anonymous && name == "" && inner.Kind() == reflect.Struct:
			list = append(list, fieldsOf(inner, parts)...)
		default:
			if name == "" {
				name = f.Name
			}
			own[name] = true
			list = append(list, fieldOf{name, kindOf(f.Type, parts), t})
		}
	}
	return slices.DeleteFunc(list, func(f fieldOf) bool { return f.owner != t && own[f.name] }) // as in JSON, the outer counts
}

// kindOf is a type in the words of docs/json.md.
func kindOf(t reflect.Type, parts map[string]reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time"
	case t == reflect.TypeFor[eventlog.Seq]():
		return "seq"
	case t == reflect.TypeFor[time.Duration]():
		return "nanoseconds"
	case t.Kind() == reflect.Pointer:
		return kindOf(t.Elem(), parts)
	case reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]()):
		return "any"
	case reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return "text"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return "base64"
		}
		return "list of " + kindOf(t.Elem(), parts)
	case reflect.Map:
		return "object of " + kindOf(t.Elem(), parts)
	case reflect.Struct:
		name := partName(t)
		parts[name] = t
		return "[" + name + "](#" + strings.ReplaceAll(strings.ToLower(name), " ", "-") + ")"
	case reflect.Interface:
		return "any"
	case reflect.Float32, reflect.Float64:
		return "number"
	default:
		return "whole number"
	}
}

// partName is the heading of a struct: its package's name and its own, in words.
func partName(t reflect.Type) string {
	words := regexp.MustCompile(`([a-z0-9])([A-Z])`).ReplaceAllString(t.Name(), "$1 $2")
	if t.PkgPath() == reflect.TypeFor[app]().PkgPath() {
		return strings.ToLower(words)
	}
	return strings.ToLower(filepath.Base(t.PkgPath()) + " " + words)
}

// documented are all objects and what they are made of, by heading.
func documented() (order []string, of map[string]reflect.Type) {
	of = map[string]reflect.Type{}
	var visit func(heading string, t reflect.Type)
	visit = func(heading string, t reflect.Type) {
		if _, done := of[heading]; done {
			return
		}
		order, of[heading] = append(order, heading), t
		parts := map[string]reflect.Type{}
		fieldsOf(t, parts)
		for _, name := range slices.Sorted(maps.Keys(parts)) {
			visit(name, parts[name])
		}
	}
	for _, p := range printed {
		visit(p.heading, reflect.TypeOf(p.object))
	}
	return order, of
}

// TestJSONIsDocumented: every field of what is printed with --json stands in docs/json.md,
// under the heading of its verb, with its kind and, if it is a number, what it counts; and
// nothing else stands there.
func TestJSONIsDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(repotest.Root(t), "docs", "json.md"))
	require.NoError(t, err)
	order, of := documented()
	for _, heading := range order {
		_, section, found := strings.Cut(string(page), "\n### "+heading+"\n")
		require.True(t, found, "docs/json.md has no heading ### %s", heading)
		section, _, _ = strings.Cut(section, "\n#")
		fields := fieldsOf(of[heading], map[string]reflect.Type{})
		for _, f := range fields {
			meaning := " [^|\n]* ?"
			if regexp.MustCompile(`(number|nanoseconds|seq)$`).MatchString(f.kind) {
				meaning = " [^|\n]+ "
			}
			row := regexp.MustCompile("(?m)^\\| `" + f.name + "` \\| " + regexp.QuoteMeta(f.kind) + " \\|" + meaning + "\\|$")
			require.Regexp(t, row, section, "docs/json.md, %s: no row | `%s` | %s | what it means |", heading, f.name, f.kind)
		}
		require.Equal(t, len(fields), strings.Count(section, "\n| `"), "docs/json.md, %s: a row of a field that is not printed", heading)
	}
}
