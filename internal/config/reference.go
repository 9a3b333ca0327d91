package config

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Key describes one key of the file, for the reference in docs/.
type Key struct {
	Name    string // dotted
	Default string // as it would be written; "" if there is none
	Doc     string
	Example string
	Section bool // holds further keys
}

// Keys lists every key in the file's order.
func Keys() []Key {
	var list []Key
	collect(&list, reflect.ValueOf(Defaults()), "")
	return list
}

func collect(list *[]Key, v reflect.Value, path string) {
	for f, value := range v.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		key := Key{
			Name:    strings.TrimPrefix(path+"."+name, "."),
			Doc:     f.Tag.Get("doc"),
			Example: f.Tag.Get("example"),
			Section: f.Type.Kind() == reflect.Struct,
		}
		if !key.Section && !value.IsZero() {
			key.Default = fmt.Sprint(value.Interface())
		}
		*list = append(*list, key)
		if key.Section {
			collect(list, value, key.Name)
		}
	}
}

// Render writes f as a file with a comment on every key. URLs are written whole: it is
// for `lifeboat init`, which was just told them.
func Render(f *File) ([]byte, error) {
	node := render(reflect.ValueOf(*f))
	node.HeadComment = "Lifeboat's configuration. Every key is described in docs/configuration.md."
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(node); err != nil {
		return nil, err
	}
	return b.Bytes(), enc.Close()
}

func render(v reflect.Value) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for f, value := range v.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		key := &yaml.Node{Kind: yaml.ScalarNode, Value: name, HeadComment: f.Tag.Get("doc")}
		var child *yaml.Node
		switch f.Type.Kind() {
		case reflect.Struct:
			child = render(value)
		case reflect.Slice:
			child = &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
			for i := range value.Len() {
				item := &yaml.Node{}
				item.SetString(scalar(value.Index(i)))
				child.Content = append(child.Content, item)
			}
		default:
			child = &yaml.Node{Kind: yaml.ScalarNode, Value: scalar(value)}
			if value.Kind() == reflect.String {
				child.SetString(child.Value)
			}
		}
		n.Content = append(n.Content, key, child)
	}
	return n
}

func scalar(v reflect.Value) string {
	if u, ok := v.Interface().(URL); ok {
		return u.Reveal()
	}
	return fmt.Sprint(v.Interface())
}
