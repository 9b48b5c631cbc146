package scenario

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// step is one part of a path such as "cluster.nodes[0].cores": a key, or the
// index of an item where the key is empty.
type step struct {
	key   string
	index int
}

// parsePath takes a path apart.
func parsePath(path string) ([]step, error) {
	var steps []step
	for _, part := range strings.Split(path, ".") {
		key, indices, _ := strings.Cut(part, "[")
		if key == "" {
			return nil, fmt.Errorf("%q is no path: write one such as cluster.load-balancing or cluster.nodes[0].cores", path)
		}
		steps = append(steps, step{key: key})
		if indices == "" && !strings.HasSuffix(part, "[") {
			continue
		}
		for _, index := range strings.Split(indices, "[") {
			digits, closed := strings.CutSuffix(index, "]")
			i, err := strconv.ParseUint(digits, 10, 31)
			if !closed || err != nil {
				return nil, fmt.Errorf("%q is no path: want a whole number in each pair of brackets", path)
			}
			steps = append(steps, step{index: int(i)})
		}
	}
	return steps, nil
}

// scalarAt returns the key of the schema that a path leads to, which must be
// written as one word or number, and the path taken apart.
func scalarAt(path string) (field, []step, error) {
	steps, err := parsePath(path)
	if err != nil {
		return field{}, nil, err
	}
	t, found := reflect.TypeFor[Scenario](), field{}
	for _, s := range steps {
		if t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t == reflect.TypeFor[Stage]() {
			t = reflect.TypeFor[Law]()
		}
		switch isList := t.Kind() == reflect.Slice; {
		case isList && s.key == "":
			t = t.Elem()
			found = field{key: found.key, kind: t}
			continue
		case isList:
			return field{}, nil, fmt.Errorf("%s: %s is a list: write which item, such as %s[0]", path, found.key, found.key)
		case isScalar(t) || s.key == "":
			return field{}, nil, fmt.Errorf("%s: %s has no %s below it", path, found.key, cmp.Or(s.key, "items"))
		}
		fields := fieldsOf(t)
		if isPolicy(t) {
			fields = policyKeys(t)
		}
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == s.key })
		if i < 0 {
			return field{}, nil, fmt.Errorf("%s: unknown key %s: %s", path, s.key, suggest(s.key, keysOf(fields)))
		}
		found, t = fields[i], fields[i].kind
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t != reflect.TypeFor[Stage]() && !isPolicy(t) && !isScalar(t) {
		return field{}, nil, fmt.Errorf("%s has keys or items below it: write the path of one value", path)
	}
	return found, steps, nil
}

// scalar returns a node for a text, written the way a field of the type is.
func scalar(f field, text string, at position) *node {
	kind := textNode
	isWord := isNumber(text) || text == "true" || text == "false"
	if t := f.kind; isWord && t != reflect.TypeFor[string]() {
		kind = wordNode
	}
	return &node{kind: kind, text: text, at: at}
}

// with returns a copy of the document in which the value stands at the path.
func (n *node) with(steps []step, value *node) (*node, error) {
	if len(steps) == 0 {
		return value, nil
	}
	s := steps[0]
	switch {
	case s.key == "" && (n == nil || n.kind != listNode):
		return nil, fmt.Errorf("there is no list to take item %d of", s.index)
	case s.key == "" && s.index >= len(n.items):
		return nil, fmt.Errorf("there is no item %d: the list has %d, counted from 0", s.index, len(n.items))
	case s.key == "":
		item, err := n.items[s.index].with(steps[1:], value)
		if err != nil {
			return nil, err
		}
		list := *n
		list.items = slices.Clone(n.items)
		list.items[s.index] = item
		return &list, nil
	case n == nil || n.kind == nullNode:
		n = &node{kind: mappingNode, at: value.at}
	case n.kind != mappingNode:
		return nil, fmt.Errorf("%s has no keys below it here", n.what())
	}
	mapping := *n
	mapping.entries = slices.Clone(n.entries)
	i := slices.IndexFunc(mapping.entries, func(e entry) bool { return e.key == s.key })
	if i < 0 {
		i = len(mapping.entries)
		mapping.entries = append(mapping.entries, entry{key: s.key, at: value.at})
	}
	below, err := mapping.entries[i].value.with(steps[1:], value)
	if err != nil {
		return nil, err
	}
	mapping.entries[i].value = below
	return &mapping, nil
}

// without returns a copy of a mapping that lacks the key.
func (n *node) without(key string) *node {
	mapping := *n
	mapping.entries = slices.DeleteFunc(slices.Clone(n.entries), func(e entry) bool { return e.key == key })
	return &mapping
}
