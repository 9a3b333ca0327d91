package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"go.yaml.in/yaml/v3"
)

// ErrInvalid: the file cannot be used; the message lists every problem, one a line.
var ErrInvalid = errors.New("configuration is not valid")

// ErrNewer: the file has the format of a newer release. Nothing else is said about it: what
// is wrong here may be right there.
var ErrNewer = errors.New("configuration is of a newer version")

// Lookup finds the value of a variable, as os.LookupEnv does.
type Lookup func(name string) (string, bool)

// Parse reads a file over the defaults. In its string values ${NAME} stands for a variable
// that lookup finds. All problems are reported at once, with their lines.
func Parse(text []byte, lookup Lookup) (*File, error) {
	var root yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&root); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	var second yaml.Node
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: more than one document", ErrInvalid)
	}
	file := Defaults()
	file.Version = 0 // must be given
	w := walker{lookup: lookup, lines: map[string]int{}}
	if len(root.Content) == 1 {
		w.walk(root.Content[0], reflect.TypeFor[File](), "")
		var type_ *yaml.TypeError
		if err := root.Decode(&file); errors.As(err, &type_) {
			for _, text := range type_.Errors {
				w.found = append(w.found, problem{text: text})
			}
		} else if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	if file.Version > Version {
		return nil, fmt.Errorf("%w: it is %d; this program knows version %d", ErrNewer, file.Version, Version)
	}
	// What could not be decoded was left at its default, and what is missing may be there
	// under a name that was not known: beside such problems only what is in the file counts.
	found := len(w.found)
	for _, p := range file.check() {
		p.line = w.lines[p.key]
		same := func(other problem) bool { return other.key == p.key }
		if found == 0 || p.line > 0 && !slices.ContainsFunc(w.found[:found], same) {
			w.found = append(w.found, p)
		}
	}
	return &file, asError(w.found)
}

// Validate checks a file that was changed after Parse, by flags for example.
func (f *File) Validate() error { return asError(f.check()) }

func asError(found []problem) error {
	if len(found) == 0 {
		return nil
	}
	slices.SortStableFunc(found, func(a, b problem) int {
		if a.line != b.line {
			return a.line - b.line
		}
		return strings.Compare(a.key, b.key)
	})
	all := make([]error, len(found))
	for i, p := range found {
		all[i] = p
	}
	return fmt.Errorf("%w:\n%w", ErrInvalid, errors.Join(all...))
}

// walker compares a document with the structs it will be decoded into.
type walker struct {
	lookup Lookup
	lines  map[string]int // by dotted key
	found  []problem
}

func (w *walker) walk(n *yaml.Node, t reflect.Type, path string) {
	if n.Kind == yaml.ScalarNode {
		w.expand(n, path)
		return
	}
	if n.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice {
		for _, item := range n.Content {
			w.walk(item, t.Elem(), path)
		}
		return
	}
	if n.Kind != yaml.MappingNode || t.Kind() != reflect.Struct {
		return // a wrong kind is the decoder's to report
	}
	known := keys(t)
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		name := strings.TrimPrefix(path+"."+key.Value, ".")
		w.lines[name] = key.Line
		field, ok := known[key.Value]
		switch {
		case !ok:
			w.found = append(w.found, problem{key.Line, name, "unknown key" + suggest(key.Value, known)})
			n.Content = slices.Delete(n.Content, i, i+2)
			i -= 2
		case seen[key.Value]:
			w.found = append(w.found, problem{key.Line, name, "given twice"})
			n.Content = slices.Delete(n.Content, i, i+2)
			i -= 2
		default:
			w.walk(value, field, name)
		}
		seen[key.Value] = true
	}
}

// variable is ${NAME}; a dollar sign elsewhere is itself, as passwords have them.
var variable = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)

// expand replaces ${NAME} in a string.
func (w *walker) expand(n *yaml.Node, path string) {
	if !strings.Contains(n.Value, "${") {
		return
	}
	n.Value = variable.ReplaceAllStringFunc(n.Value, func(match string) string {
		name := match[2 : len(match)-1]
		value, ok := w.lookup(name)
		if !ok {
			w.found = append(w.found, problem{n.Line, path, fmt.Sprintf("variable %s is not set", name)})
		}
		return value
	})
}

// keys maps the YAML names of a struct's fields to their types.
func keys(t reflect.Type) map[string]reflect.Type {
	m := make(map[string]reflect.Type, t.NumField())
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		m[name] = f.Type
	}
	return m
}

// suggest names the known key that differs least, if one is near.
func suggest(key string, known map[string]reflect.Type) string {
	best, least := "", 4
	for name := range known {
		if d := levenshtein.Distance(key, name, nil); d < least || d == least && name < best {
			best, least = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}
