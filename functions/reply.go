package functions

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// expectation is what a reply is compared with.
type expectation interface {
	// bind is told each method it is used for and adds mistakes where that cannot be.
	bind(m *mistakes, method protoreflect.MethodDescriptor)
	check(runtime Runtime, method protoreflect.MethodDescriptor, request, reply []byte) error
}

// expectation reads what stands under "reply": a checker written in Go, with the
// runtime whose replies it expects where the function's does not tell, or expected
// fields.
func (m *mistakes) expectation(node ast.Node) expectation {
	var e expectation
	written := RuntimeInvalid
	m.fields(node, nil, map[string]func(ast.Node){
		"runtime": func(n ast.Node) { written = m.runtime(n) },
		"checker": func(n ast.Node) {
			if e != nil {
				m.add(n, "want either a checker or fields, not both")
			}
			name := m.word(n)
			run, ok := checkers[name]
			if !ok {
				m.add(n, "unknown checker %q%s", name, suggest(name, checkerNames()))
			}
			e = named{node: n, name: name, checker: run}
		},
		"fields": func(n ast.Node) {
			if e != nil {
				m.add(n, "want either a checker or fields, not both")
			}
			e = &expectedFields{list: m.expectedFields(n)}
		},
	})
	switch c := e.(type) {
	case nil:
		m.add(node, "want a checker or fields that the reply must have")
	case named:
		c.written = written
		return c
	case *expectedFields:
		if written != RuntimeInvalid {
			m.add(node, "runtime goes with a checker, not with fields")
		}
	}
	return e
}

// named is a checker of the catalog.
type named struct {
	node    ast.Node
	name    string
	written Runtime // whose replies it expects; RuntimeInvalid: the function's
	checker
}

func (c named) bind(m *mistakes, method protoreflect.MethodDescriptor) {
	if c.run == nil { // reported where it is named
		return
	}
	if in, out := method.Input().FullName(), method.Output().FullName(); c.request != "" && (in != c.request || out != c.reply) {
		m.add(c.node, "checker %q compares %s with %s, but %s has %s and %s", c.name, c.request, c.reply, method.FullName(), in, out)
	}
}

func (c named) check(runtime Runtime, _ protoreflect.MethodDescriptor, request, reply []byte) error {
	if c.written != RuntimeInvalid {
		runtime = c.written
	}
	return c.run(runtime, request, reply)
}

// expectedFields compares single fields of a reply of any type.
type expectedFields struct {
	list []expectedField
}

// expectedField is a dotted path into the reply and what must be there.
type expectedField struct {
	node    ast.Node
	path    []string
	equals  *string // may refer to fields of the request as ${path}
	matches *regexp.Regexp
	length  *int64
}

var reference = regexp.MustCompile(`\$\{([^}]*)\}`)

func (m *mistakes) expectedFields(node ast.Node) []expectedField {
	var list []expectedField
	for _, e := range m.entries(node) {
		before := len(m.list)
		f := expectedField{node: e.name, path: strings.Split(e.key, ".")}
		m.fields(e.value, nil, map[string]func(ast.Node){
			"equals": func(n ast.Node) { s := m.text(n); f.equals = &s },
			"length": func(n ast.Node) { v := m.whole(n, 0, 1<<31); f.length = &v },
			"matches": func(n ast.Node) {
				re, err := regexp.Compile(m.text(n))
				if err != nil {
					m.add(n, "%v", err)
					return
				}
				f.matches = re
			},
		})
		if len(m.list) == before && f.equals == nil && f.matches == nil && f.length == nil {
			m.add(e.name, "field %q: want equals, matches or length", e.key)
		}
		list = append(list, f)
	}
	if len(list) == 0 {
		m.add(node, "want at least one field: a reply that nobody looks at proves nothing")
	}
	return list
}

func (e *expectedFields) bind(m *mistakes, method protoreflect.MethodDescriptor) {
	for _, f := range e.list {
		if err := exists(method.Output(), f.path); err != nil {
			m.add(f.node, "%v", err)
		}
		if f.equals == nil {
			continue
		}
		for _, ref := range reference.FindAllStringSubmatch(*f.equals, -1) {
			if err := exists(method.Input(), strings.Split(ref[1], ".")); err != nil {
				m.add(f.node, "${%s}: %v", ref[1], err)
			}
		}
	}
}

func (e *expectedFields) check(_ Runtime, method protoreflect.MethodDescriptor, request, reply []byte) error {
	in, out := dynamicpb.NewMessage(method.Input()), dynamicpb.NewMessage(method.Output())
	if err := errors.Join(decode(request, in), decode(reply, out)); err != nil {
		return err
	}
	var wrong []error
	for _, f := range e.list {
		if err := f.compare(in, out); err != nil {
			wrong = append(wrong, fmt.Errorf("field %s: %w", strings.Join(f.path, "."), err))
		}
	}
	return errors.Join(wrong...)
}

func (f expectedField) compare(in, out protoreflect.Message) error {
	got, n, err := lookup(out, f.path)
	if err != nil {
		return err
	}
	if f.length != nil && int64(n) != *f.length {
		return fmt.Errorf("length %d: want %d", n, *f.length)
	}
	if f.matches != nil && !f.matches.MatchString(got) {
		return fmt.Errorf("%s does not match %s", abridged(got), f.matches)
	}
	if f.equals == nil {
		return nil
	}
	expected := reference.ReplaceAllStringFunc(*f.equals, func(ref string) string {
		s, _, lookupErr := lookup(in, strings.Split(ref[2:len(ref)-1], "."))
		err = errors.Join(err, lookupErr)
		return s
	})
	if err != nil {
		return err
	}
	if got != expected {
		return differs(got, expected)
	}
	return nil
}

// exists checks a path against a type; an element of a list is its number.
func exists(d protoreflect.MessageDescriptor, path []string) error {
	if d == nil {
		return fmt.Errorf("%q is not a message", strings.Join(path, "."))
	}
	fd := d.Fields().ByName(protoreflect.Name(path[0]))
	if fd == nil || fd.IsMap() {
		return fmt.Errorf("%s has no field %q%s", d.FullName(), path[0], suggest(path[0], fieldNames(d)))
	}
	rest := path[1:]
	if fd.IsList() && len(rest) > 0 {
		if n, err := strconv.Atoi(rest[0]); err != nil || n < 0 {
			return fmt.Errorf("%q is a list: want the number of an element after it", path[0])
		}
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return nil
	}
	return exists(fd.Message(), rest)
}

// lookup returns the value at an existing path as text, and its length: that of
// a list, of a text in characters, of bytes.
func lookup(msg protoreflect.Message, path []string) (text string, length int, err error) {
	fd := msg.Descriptor().Fields().ByName(protoreflect.Name(path[0]))
	value := msg.Get(fd)
	rest := path[1:]
	if fd.IsList() {
		list := value.List()
		if len(rest) == 0 {
			return "", list.Len(), nil
		}
		i, err := strconv.Atoi(rest[0])
		if err != nil || i < 0 || i >= list.Len() {
			return "", 0, fmt.Errorf("no element %s among %d", rest[0], list.Len())
		}
		value, rest = list.Get(i), rest[1:]
	}
	if fd.Message() != nil {
		if len(rest) == 0 {
			return fmt.Sprint(value.Message().Interface()), 0, nil
		}
		return lookup(value.Message(), rest)
	}
	switch fd.Kind() {
	case protoreflect.BytesKind:
		return string(value.Bytes()), len(value.Bytes()), nil
	case protoreflect.EnumKind:
		if v := fd.Enum().Values().ByNumber(value.Enum()); v != nil {
			return string(v.Name()), 0, nil
		}
	}
	return value.String(), len([]rune(value.String())), nil
}

// decode reads a message that must have no field its type does not know.
func decode(data []byte, msg proto.Message) error {
	if err := proto.Unmarshal(data, msg); err != nil {
		return fmt.Errorf("decode: %w", err)
	}
	if n := len(msg.ProtoReflect().GetUnknown()); n > 0 {
		return fmt.Errorf("%d bytes of fields that %s does not have", n, msg.ProtoReflect().Descriptor().FullName())
	}
	return nil
}

// differs tells two long texts apart at the place where they part.
func differs(got, expected string) error {
	at := 0
	for at < len(got) && at < len(expected) && got[at] == expected[at] {
		at++
	}
	from := max(0, at-16)
	return fmt.Errorf("differs from byte %d on: got %s, want %s (%d and %d bytes)",
		at, abridged(got[from:]), abridged(expected[from:]), len(got), len(expected))
}

func abridged(s string) string {
	const most = 64
	if len(s) > most {
		return fmt.Sprintf("%q…", s[:most])
	}
	return strconv.Quote(s)
}
