package scenario

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// reader fills typed values from nodes and collects what is wrong on the way.
type reader struct {
	folder   string // that relative paths are relative to
	mistakes []Mistake
	reported map[string]bool // paths with a mistake: one is enough for each
}

// place is where a value stands, or where it is missing.
type place struct {
	path string
	key  position // of its key, or of what misses it
	node *node    // nil where it is missing
}

// at returns the position to show: the value where it is one word, else its key.
func (p place) at() position {
	if p.node != nil && (p.node.kind == textNode || p.node.kind == wordNode) {
		return p.node.at
	}
	return p.key
}

// child returns the place of a key of a mapping.
func (p place) child(key string) place {
	c := place{path: strings.TrimPrefix(p.path+"."+key, "."), key: p.at()}
	if e := p.node.find(key); e != nil {
		c.key, c.node = e.at, e.value
	}
	return c
}

// descend returns the place at a path below, such as "states[1].rate".
func (p place) descend(path string) place {
	for _, step := range strings.FieldsFunc(path, func(c rune) bool { return c == '.' || c == '[' }) {
		index, isItem := strings.CutSuffix(step, "]")
		if i, err := strconv.Atoi(index); isItem && err == nil && p.node != nil && i < len(p.node.items) {
			p = p.item(i)
		} else {
			p = p.child(step)
		}
	}
	return p
}

// item returns the place of an item of a list.
func (p place) item(i int) place {
	item := p.node.items[i]
	return place{path: fmt.Sprintf("%s[%d]", p.path, i), key: item.at, node: item}
}

// wrong notes a mistake unless the place has one already.
func (r *reader) wrong(p place, format string, args ...any) {
	r.wrongs(p, fmt.Errorf(format, args...))
}

// wrongs reports several things that are wrong with what stands at one place.
func (r *reader) wrongs(p place, problems ...error) {
	if r.reported[p.path] || len(problems) == 0 {
		return
	}
	r.reported[p.path] = true
	for _, problem := range problems {
		r.mistakes = append(r.mistakes, p.at().mistake(p.path, problem.Error()))
	}
}

// sound reports that none of the keys below the place has a mistake itself.
func (r *reader) sound(p place, keys ...string) bool {
	return !slices.ContainsFunc(keys, func(key string) bool { return r.reported[p.descend(key).path] })
}

// checked is a struct with rules between its keys.
type checked interface{ check(r *reader, p place) }

// united is a value that is written in more than one way.
type united interface{ read(r *reader, p place) }

// read fills v, which f describes, from the node at p.
func (r *reader) read(v reflect.Value, f field, p place) {
	if p.node.kind == refusedNode {
		r.reported[p.path] = true
		return
	}
	if u, ok := v.Addr().Interface().(united); ok {
		u.read(r, p)
		return
	}
	switch {
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		r.read(v.Elem(), f, p)
	case isScalar(v.Type()):
		r.readScalar(v, f, p)
	case v.Kind() == reflect.Slice:
		r.readList(v, f, p)
	default:
		r.readStruct(v, p)
	}
}

func (r *reader) readList(v reflect.Value, f field, p place) {
	if v.Type().Elem().Kind() == reflect.String && p.node.kind == textNode {
		v.Set(reflect.ValueOf([]string{p.node.text}))
		return
	}
	if p.node.kind != listNode {
		r.wrong(p, "want a list, each item after a \"-\", not %s", p.node.what())
		return
	}
	if len(p.node.items) == 0 {
		r.wrong(p, "the list is empty: give it an item or remove the key")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(p.node.items), len(p.node.items)))
	for i := range p.node.items {
		r.read(v.Index(i), field{key: f.key}, p.item(i))
	}
}

// readStruct reads a mapping; a missing one gives the defaults.
func (r *reader) readStruct(v reflect.Value, p place) {
	fields := fieldsOf(v.Type())
	if p.node != nil && !r.checkKeys(fields, p) {
		return
	}
	for _, f := range fields {
		r.readField(v, fields, f, p)
	}
	if c, ok := v.Addr().Interface().(checked); ok {
		c.check(r, p)
	}
}

// checkKeys reports that p is a mapping, and notes keys that are unknown or
// given twice.
func (r *reader) checkKeys(fields []field, p place) bool {
	known := keysOf(fields)
	if p.node.kind != mappingNode {
		r.wrong(p, "want keys such as %s below, not %s", strings.Join(known[:min(3, len(known))], ", "), p.node.what())
		return false
	}
	first := map[string]entry{}
	for _, e := range p.node.entries {
		c := place{path: p.child(e.key).path, key: e.at}
		if before, twice := first[e.key]; twice {
			r.mistakes = append(r.mistakes, e.at.mistake(c.path, fmt.Sprintf("given twice: remove this one or that on line %d", before.at.line)))
			continue
		}
		first[e.key] = e
		if !slices.Contains(known, e.key) {
			near := nearest(e.key, known)
			r.wrong(c, "unknown key: %s", suggest(e.key, known))
			if near != "" && p.node.find(near) == nil {
				r.reported[p.child(near).path] = true // it is not missing, but misspelt
			}
		}
	}
	return true
}

func (r *reader) readField(v reflect.Value, fields []field, f field, p place) {
	c := p.child(f.key)
	belongs := true
	if f.sibling != "" {
		if !r.sound(p, f.sibling) {
			belongs = c.node != nil // its owner is unknown: read what is there, miss nothing
		} else {
			sibling := fields[slices.IndexFunc(fields, func(s field) bool { return s.key == f.sibling })]
			belongs = f.belongs(format(sibling, v.FieldByIndex(sibling.index)))
		}
	}
	target := v.FieldByIndex(f.index)
	switch {
	case c.node != nil && !belongs:
		r.wrong(place{path: c.path, key: c.key}, "goes with %s: %s only; remove it", f.sibling, strings.Join(f.siblings, ", "))
	case c.node != nil && c.node.kind == nullNode:
		r.wrong(c, "is empty: give it a value or remove the key")
	case c.node != nil:
		r.read(target, f, c)
	case !belongs:
	case f.needed:
		r.wrong(c, "the key is missing: add %s", example(f))
	case f.hasStandard:
		r.read(target, f, place{path: c.path, key: c.key, node: &node{kind: standardKind(target, f), text: f.standard, at: c.key}})
	case target.Kind() == reflect.Struct && !isScalar(target.Type()):
		r.readStruct(target, c)
	}
}

// standardKind returns how the text of a default would have been written.
func standardKind(v reflect.Value, f field) nodeKind {
	switch v.Kind() {
	case reflect.Bool:
		return wordNode
	default:
		if isNumber(f.standard) {
			return wordNode
		}
		return textNode
	}
}

// example shows how a key is written.
func example(f field) string {
	switch t := f.kind; {
	case len(f.words) > 0:
		return fmt.Sprintf("%s: %s", f.key, strings.Join(f.words, " | "))
	case isScalar(t):
		return fmt.Sprintf("%s: %s", f.key, wanted(t))
	case t.Kind() == reflect.Struct:
		return f.key + " with " + neededKeys(t) + " below it"
	case t.Elem().Kind() == reflect.Struct:
		return f.key + ", a list of items with " + neededKeys(t.Elem())
	default:
		return f.key + ", a list of values"
	}
}

// neededKeys names the keys that a struct cannot lack.
func neededKeys(t reflect.Type) string {
	var keys []string
	for _, f := range fieldsOf(t) {
		if f.needed && f.sibling == "" {
			keys = append(keys, f.key)
		}
	}
	if len(keys) == 0 {
		return "what arrives" // the workload
	}
	return strings.Join(keys, " and ")
}

// what names what a node holds.
func (n *node) what() string {
	switch n.kind {
	case nullNode:
		return "nothing"
	case textNode:
		return strconv.Quote(n.text)
	case wordNode:
		return n.text
	default:
		return "a " + kindWords[n.kind]
	}
}
