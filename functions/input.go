package functions

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// maxLetters bounds a drawn text: gRPC's own limit of a message is 4 MiB.
const maxLetters = 4 << 20

// source draws the value of one field.
type source func(l *lot) protoreflect.Value

// lot is one call's luck: its random stream, its number, and what was drawn by name.
type lot struct {
	*dice
	n     int
	names map[string]string
}

// input draws the requests of a class.
type input struct {
	draws   []draw
	request message
}

// draw is a text that is drawn once per call for use in several fields.
type draw struct {
	name   string
	source source
}

func (t input) make(d *dice, n int) *dynamicpb.Message {
	l := &lot{dice: d, n: n, names: map[string]string{}}
	for _, one := range t.draws {
		l.names[one.name] = one.source(l).String()
	}
	return t.request.draw(l)
}

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

func (t message) draw(l *lot) *dynamicpb.Message {
	msg := dynamicpb.NewMessage(t.descriptor)
	for _, f := range t.fields {
		if f.descriptor.IsList() {
			list := msg.Mutable(f.descriptor).List()
			for _, s := range f.sources {
				list.Append(s(l))
			}
			continue
		}
		msg.Set(f.descriptor, f.sources[0](l))
	}
	return msg
}

// template reads one class's description of its requests.
type template struct {
	*mistakes
	names map[string]bool // of the draws so far; true if a whole number
}

// aText types the draws, which are texts that stand alone.
var aText = (&wrapperspb.StringValue{}).ProtoReflect().Descriptor().Fields().ByName("value")

// draws reads what is drawn by name.
func (m *template) draws(node ast.Node) []draw {
	var list []draw
	for _, e := range m.entries(node) {
		if !validName.MatchString(e.key) {
			m.add(e.name, "draw %q: want at most 63 of a-z, 0-9 and - between them", e.key)
		}
		list = append(list, draw{e.key, m.source(e.value, aText)})
		m.names[e.key] = false
		if _, ok := e.value.(ast.MapNode); ok {
			inner := m.entries(e.value)
			m.names[e.key] = len(inner) == 1 && (inner[0].key == "$int" || inner[0].key == "$count")
		}
	}
	return list
}

// message reads a mapping of field names to values.
func (m *template) message(node ast.Node, descriptor protoreflect.MessageDescriptor) message {
	t := message{descriptor: descriptor}
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
func (m *template) source(node ast.Node, fd protoreflect.FieldDescriptor) source {
	if _, ok := node.(ast.MapNode); ok {
		list := m.entries(node)
		if len(list) == 1 && strings.HasPrefix(list[0].key, "$") {
			return m.drawn(list[0], fd)
		}
		if fd.Message() == nil {
			m.add(node, "%q is a %s: want a value of that type or one of %s", fd.Name(), fd.Kind(), strings.Join(draws, ", "))
			return nil
		}
		t := m.message(node, fd.Message())
		return func(l *lot) protoreflect.Value { return protoreflect.ValueOfMessage(t.draw(l)) }
	}
	text := m.text(node)
	if fd.Kind() == protoreflect.StringKind && strings.Contains(text, "${") {
		m.refers(node, text)
		return func(l *lot) protoreflect.Value { return protoreflect.ValueOfString(l.expand(text)) }
	}
	value, err := literal(text, fd)
	if err != nil {
		m.add(node, "%q: %v", fd.Name(), err)
	}
	return func(*lot) protoreflect.Value { return value }
}

// refers adds a mistake for every ${name} in text that is not drawn before.
func (m *template) refers(node ast.Node, text string) {
	for _, ref := range reference.FindAllStringSubmatch(text, -1) {
		if _, ok := m.names[ref[1]]; !ok {
			m.add(node, "%s: nothing of that name is drawn%s", ref[0], suggest(ref[1], slices.Collect(maps.Keys(m.names))))
		}
	}
}

// expand replaces each ${name} by what was drawn.
func (l *lot) expand(text string) string {
	return reference.ReplaceAllStringFunc(text, func(ref string) string { return l.names[ref[2:len(ref)-1]] })
}

// draws are the ways to draw a value.
var draws = []string{"$int", "$float", "$letters", "$count", "$oneOf", "$cycle", "$date"}

// drawn reads the value of a $ key.
func (m *template) drawn(e entry, fd protoreflect.FieldDescriptor) source {
	switch e.key {
	case "$int":
		lo, hi := m.span(e.value, math.MinInt64, math.MaxInt64)
		m.fits(e.value, fd, lo, hi)
		return func(l *lot) protoreflect.Value { return number(l.between(lo, hi), fd) }
	case "$count":
		lo, hi := m.span(e.value, 0, math.MaxInt32)
		m.fits(e.value, fd, lo, hi)
		return func(l *lot) protoreflect.Value { return number(lo+int64(l.n)%(hi-lo+1), fd) }
	case "$letters":
		lo, hi := m.span(e.value, 0, maxLetters)
		m.wants(e, fd, protoreflect.StringKind, protoreflect.BytesKind)
		return func(l *lot) protoreflect.Value {
			s := l.letters(l.between(lo, hi))
			if fd.Kind() == protoreflect.BytesKind {
				return protoreflect.ValueOfBytes([]byte(s))
			}
			return protoreflect.ValueOfString(s)
		}
	case "$float":
		return m.float(e, fd)
	case "$oneOf", "$cycle":
		return m.choice(e, fd)
	case "$date":
		return m.date(e, fd)
	}
	m.add(e.name, "unknown draw %q%s", e.key, suggest(e.key, slices.Clone(draws)))
	return nil
}

// wants adds a mistake where a field is of none of the kinds that a draw makes.
func (m *template) wants(e entry, fd protoreflect.FieldDescriptor, kinds ...protoreflect.Kind) {
	if !slices.Contains(kinds, fd.Kind()) {
		m.add(e.name, "%q is a %s: %s makes a %s", fd.Name(), fd.Kind(), e.key, kinds[0])
	}
}

// span reads a list of two integers, the smallest and the largest.
func (m *template) span(node ast.Node, min, max int64) (lo, hi int64) {
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
func (m *template) fits(node ast.Node, fd protoreflect.FieldDescriptor, lo, hi int64) {
	for _, v := range []int64{lo, hi} {
		if _, err := literal(strconv.FormatInt(v, 10), fd); err != nil {
			m.add(node, "%q: %v", fd.Name(), err)
			return
		}
	}
}

func (m *template) float(e entry, fd protoreflect.FieldDescriptor) source {
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
	m.wants(e, fd, protoreflect.DoubleKind, protoreflect.FloatKind)
	return func(l *lot) protoreflect.Value {
		// The conversion keeps the product from being fused with the sum, so that
		// every architecture draws the same.
		v := bounds[0] + float64(l.fraction()*(bounds[1]-bounds[0]))
		if fd.Kind() == protoreflect.FloatKind {
			return protoreflect.ValueOfFloat32(float32(v))
		}
		return protoreflect.ValueOfFloat64(v)
	}
}

func (m *template) choice(e entry, fd protoreflect.FieldDescriptor) source {
	var among []source
	for _, item := range m.items(e.value) {
		among = append(among, m.source(item, fd))
	}
	if len(among) == 0 {
		m.add(e.value, "want at least one value to choose from")
		return nil
	}
	if e.key == "$cycle" {
		return func(l *lot) protoreflect.Value { return among[l.n%len(among)](l) }
	}
	return func(l *lot) protoreflect.Value {
		return among[l.between(0, int64(len(among)-1))](l)
	}
}

// date reads a day and how many days to add: numbers or names of whole numbers.
func (m *template) date(e entry, fd protoreflect.FieldDescriptor) source {
	m.wants(e, fd, protoreflect.StringKind)
	list := m.items(e.value)
	if len(list) == 0 {
		m.add(e.value, "want [YYYY-MM-DD, days to add, ...]")
		return nil
	}
	first, err := time.Parse(time.DateOnly, m.text(list[0]))
	if err != nil {
		m.add(list[0], "want a date as YYYY-MM-DD")
	}
	for _, item := range list[1:] {
		days := m.text(item)
		if ref := reference.FindStringSubmatch(days); ref != nil && ref[0] == days {
			m.refers(item, days)
			if whole, ok := m.names[ref[1]]; ok && !whole {
				m.add(item, "%s is no whole number: draw it with $int or $count", days)
			}
		} else if _, err := strconv.ParseInt(days, 10, 32); err != nil {
			m.add(item, "want a number of days or the name of a drawn one, as ${day}")
		}
	}
	return func(l *lot) protoreflect.Value {
		day := first
		for _, item := range list[1:] {
			days, _ := strconv.Atoi(l.expand(item.GetToken().Value)) // checked above
			day = day.AddDate(0, 0, days)
		}
		return protoreflect.ValueOfString(day.Format(time.DateOnly))
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
