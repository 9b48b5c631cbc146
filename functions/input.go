package functions

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// maxLetters bounds a drawn text: gRPC's own limit of a message is 4 MiB.
const maxLetters = 4 << 20

// source draws the value of one field for call n.
type source func(d *dice, n int) protoreflect.Value

// message draws a whole message, its fields in the order written.
type message struct {
	descriptor protoreflect.MessageDescriptor
	fields     []field
}

// field draws one field; a repeated field has any number of sources.
type field struct {
	descriptor protoreflect.FieldDescriptor
	sources    []source
}

func (t message) draw(d *dice, n int) *dynamicpb.Message {
	msg := dynamicpb.NewMessage(t.descriptor)
	for _, f := range t.fields {
		if f.descriptor.IsList() {
			list := msg.Mutable(f.descriptor).List()
			for _, s := range f.sources {
				list.Append(s(d, n))
			}
			continue
		}
		msg.Set(f.descriptor, f.sources[0](d, n))
	}
	return msg
}

// message reads a mapping of field names to values.
func (m *mistakes) message(node ast.Node, descriptor protoreflect.MessageDescriptor) message {
	t := message{descriptor: descriptor}
	if descriptor == nil { // the method is a mistake already
		return t
	}
	for _, e := range m.entries(node) {
		fd := descriptor.Fields().ByName(protoreflect.Name(e.key))
		if fd == nil {
			m.add(e.name, "%s has no field %q%s", descriptor.FullName(), e.key, suggest(e.key, fieldNames(descriptor)))
			continue
		}
		f := field{descriptor: fd}
		switch {
		case fd.IsMap():
			m.add(e.name, "field %q is a map: maps cannot be described here", e.key)
			continue
		case fd.IsList():
			for _, item := range m.items(e.value) {
				f.sources = append(f.sources, m.source(item, fd))
			}
		default:
			f.sources = []source{m.source(e.value, fd)}
		}
		t.fields = append(t.fields, f)
	}
	return t
}

func fieldNames(d protoreflect.MessageDescriptor) []string {
	var names []string
	for i := range d.Fields().Len() {
		names = append(names, string(d.Fields().Get(i).Name()))
	}
	return names
}

// source reads a value of a field: a literal, or a mapping with one key that
// starts with $ and says how to draw it.
func (m *mistakes) source(node ast.Node, fd protoreflect.FieldDescriptor) source {
	if _, ok := node.(ast.MapNode); ok {
		list := m.entries(node)
		if len(list) == 1 && strings.HasPrefix(list[0].key, "$") {
			return m.drawn(list[0], fd)
		}
		if fd.Message() == nil {
			m.add(node, "field %q is a %s: want a value of that type or one of $int, $float, $letters, $count, $oneOf, $cycle, $join", fd.Name(), fd.Kind())
			return nil
		}
		t := m.message(node, fd.Message())
		return func(d *dice, n int) protoreflect.Value { return protoreflect.ValueOfMessage(t.draw(d, n)) }
	}
	value, err := literal(m.text(node), fd)
	if err != nil {
		m.add(node, "field %q: %v", fd.Name(), err)
	}
	return func(*dice, int) protoreflect.Value { return value }
}

// drawn reads the value of a $ key.
func (m *mistakes) drawn(e entry, fd protoreflect.FieldDescriptor) source {
	switch e.key {
	case "$int":
		lo, hi := m.span(e.value, math.MinInt64, math.MaxInt64)
		m.fits(e.value, fd, lo, hi)
		return func(d *dice, _ int) protoreflect.Value { return number(d.between(lo, hi), fd) }
	case "$count":
		lo, hi := m.span(e.value, 0, math.MaxInt32)
		m.fits(e.value, fd, lo, hi)
		return func(_ *dice, n int) protoreflect.Value { return number(lo+int64(n)%(hi-lo+1), fd) }
	case "$letters":
		lo, hi := m.span(e.value, 0, maxLetters)
		if fd.Kind() != protoreflect.StringKind {
			m.add(e.name, "field %q is a %s: letters want a string", fd.Name(), fd.Kind())
		}
		return func(d *dice, _ int) protoreflect.Value {
			return protoreflect.ValueOfString(d.letters(d.between(lo, hi)))
		}
	case "$float":
		return m.float(e, fd)
	case "$oneOf", "$cycle":
		return m.choice(e, fd)
	case "$join":
		return m.join(e, fd)
	}
	m.add(e.name, "unknown draw %q%s", e.key, suggest(e.key, []string{"$int", "$float", "$letters", "$count", "$oneOf", "$cycle", "$join"}))
	return nil
}

// span reads a list of two integers, the smallest and the largest.
func (m *mistakes) span(node ast.Node, min, max int64) (lo, hi int64) {
	before := len(m.list)
	list := m.items(node)
	if len(list) != 2 {
		if len(m.list) == before {
			m.add(node, "want [smallest, largest]")
		}
		return min, min
	}
	lo, hi = m.whole(list[0], min, max), m.whole(list[1], min, max)
	if lo > hi {
		m.add(node, "%d is larger than %d: want [smallest, largest]", lo, hi)
		return lo, lo
	}
	return lo, hi
}

// fits adds a mistake where a field cannot hold all integers from lo to hi.
func (m *mistakes) fits(node ast.Node, fd protoreflect.FieldDescriptor, lo, hi int64) {
	for _, v := range []int64{lo, hi} {
		if _, err := literal(strconv.FormatInt(v, 10), fd); err != nil {
			m.add(node, "field %q: %v", fd.Name(), err)
			return
		}
	}
}

func (m *mistakes) float(e entry, fd protoreflect.FieldDescriptor) source {
	list := m.items(e.value)
	if len(list) != 2 {
		m.add(e.value, "want [smallest, largest]")
		return nil
	}
	var bounds [2]float64
	for i, item := range list {
		v, err := strconv.ParseFloat(m.text(item), 64)
		if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
			m.add(item, "want a finite number")
		}
		bounds[i] = v
	}
	if fd.Kind() != protoreflect.FloatKind && fd.Kind() != protoreflect.DoubleKind {
		m.add(e.name, "field %q is a %s: $float wants float or double", fd.Name(), fd.Kind())
	}
	return func(d *dice, _ int) protoreflect.Value {
		v := bounds[0] + d.fraction()*(bounds[1]-bounds[0])
		if fd.Kind() == protoreflect.FloatKind {
			return protoreflect.ValueOfFloat32(float32(v))
		}
		return protoreflect.ValueOfFloat64(v)
	}
}

func (m *mistakes) choice(e entry, fd protoreflect.FieldDescriptor) source {
	var among []source
	for _, item := range m.items(e.value) {
		among = append(among, m.source(item, fd))
	}
	if len(among) == 0 {
		m.add(e.value, "want at least one value to choose from")
		return nil
	}
	if e.key == "$cycle" {
		return func(d *dice, n int) protoreflect.Value { return among[n%len(among)](d, n) }
	}
	return func(d *dice, n int) protoreflect.Value {
		return among[d.between(0, int64(len(among)-1))](d, n)
	}
}

// join puts texts, literal or drawn, one after the other.
func (m *mistakes) join(e entry, fd protoreflect.FieldDescriptor) source {
	if fd.Kind() != protoreflect.StringKind {
		m.add(e.name, "field %q is a %s: $join wants a string", fd.Name(), fd.Kind())
		return nil
	}
	var parts []source
	for _, item := range m.items(e.value) {
		parts = append(parts, m.source(item, fd))
	}
	return func(d *dice, n int) protoreflect.Value {
		var s strings.Builder
		for _, part := range parts {
			s.WriteString(part(d, n).String())
		}
		return protoreflect.ValueOfString(s.String())
	}
}

// number is v as a value of a field that is known to hold it.
func number(v int64, fd protoreflect.FieldDescriptor) protoreflect.Value {
	value, err := literal(strconv.FormatInt(v, 10), fd)
	if err != nil { // excluded by fits
		return fd.Default()
	}
	return value
}

// literal converts text to a value of a field's type.
func literal(s string, fd protoreflect.FieldDescriptor) (protoreflect.Value, error) {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(s), nil
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(s)), nil
	case protoreflect.BoolKind:
		v, err := strconv.ParseBool(s)
		return protoreflect.ValueOfBool(v), want(err, s, fd)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		v, err := strconv.ParseInt(s, 10, 32)
		return protoreflect.ValueOfInt32(int32(v)), want(err, s, fd)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		v, err := strconv.ParseInt(s, 10, 64)
		return protoreflect.ValueOfInt64(v), want(err, s, fd)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		v, err := strconv.ParseUint(s, 10, 32)
		return protoreflect.ValueOfUint32(uint32(v)), want(err, s, fd)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		v, err := strconv.ParseUint(s, 10, 64)
		return protoreflect.ValueOfUint64(v), want(err, s, fd)
	case protoreflect.FloatKind:
		v, err := strconv.ParseFloat(s, 32)
		return protoreflect.ValueOfFloat32(float32(v)), want(err, s, fd)
	case protoreflect.DoubleKind:
		v, err := strconv.ParseFloat(s, 64)
		return protoreflect.ValueOfFloat64(v), want(err, s, fd)
	case protoreflect.EnumKind:
		if v := fd.Enum().Values().ByName(protoreflect.Name(s)); v != nil {
			return protoreflect.ValueOfEnum(v.Number()), nil
		}
		return protoreflect.ValueOfEnum(0), fmt.Errorf("%q is not a value of %s", s, fd.Enum().FullName())
	}
	return protoreflect.Value{}, fmt.Errorf("it is a %s: want a mapping", fd.Kind())
}

func want(err error, s string, fd protoreflect.FieldDescriptor) error {
	if err != nil {
		return fmt.Errorf("%q does not fit a %s", s, fd.Kind())
	}
	return nil
}
