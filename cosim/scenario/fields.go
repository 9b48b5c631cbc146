package scenario

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"microcosm/cosim/policy"
	"microcosm/setup/spelling"
)

// field is one key of the schema: a struct field with its tags. The package
// comment explains them.
type field struct {
	key         string
	index       []int
	kind        reflect.Type
	needed      bool
	standard    string // text of the default
	hasStandard bool
	bounds      string
	words       []string
	also        string
	sibling     string   // key whose value decides whether this one belongs here
	siblings    []string // the values that let it
	file        bool     // the path of a file that is read
}

// fieldsOf returns the keys of a struct in the order of its fields, those of
// inlined structs included.
func fieldsOf(t reflect.Type) []field {
	var list []field
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		key, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if option == "inline" {
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				list = append(list, inner)
			}
			continue
		}
		standard, hasStandard := f.Tag.Lookup("default")
		sibling, values, _ := strings.Cut(f.Tag.Get("only"), "=")
		list = append(list, field{
			key: key, index: []int{i}, kind: f.Type, needed: f.Tag.Get("need") == "always",
			standard: standard, hasStandard: hasStandard, bounds: f.Tag.Get("range"),
			words: vocabulary(f), also: f.Tag.Get("also"), sibling: sibling, siblings: strings.Split(values, "|"),
			file: f.Tag.Get("file") == "read",
		})
	}
	return list
}

// vocabulary returns the only texts that a field may hold, nil where it is free.
func vocabulary(f reflect.StructField) []string {
	switch list := f.Tag.Get("words"); list {
	case "":
	case "policy.balancers":
		return policy.BalancerNames()
	default:
		return strings.Split(list, "|")
	}
	t := f.Type
	if t.Kind() != reflect.Uint8 || !t.Implements(reflect.TypeFor[fmt.Stringer]()) {
		return nil
	}
	// An enumeration: 0 is invalid, and so is the first number without a word.
	var words []string
	for i := uint8(1); i < 255; i++ {
		word := enumerated(t, i).Interface().(fmt.Stringer).String()
		if word == "invalid" {
			break
		}
		words = append(words, word)
	}
	return words
}

func enumerated(t reflect.Type, i uint8) reflect.Value {
	v := reflect.New(t).Elem()
	v.SetUint(uint64(i))
	return v
}

// isScalar reports that values of the type are written as one word or number.
func isScalar(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct:
		return reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
	case reflect.Slice:
		return false
	default:
		return true
	}
}

// alsoValue is what the word of an "also" tag means.
func alsoValue(word string) int64 {
	if word == "unlimited" {
		return -1 // cluster.Unlimited
	}
	return 0
}

// format writes a scalar as the reader reads it.
func format(f field, v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Duration:
		if f.also != "" && int64(x) == alsoValue(f.also) {
			return f.also
		}
		return x.String()
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		if err != nil {
			return err.Error() // none of our types returns one
		}
		return string(text)
	case fmt.Stringer:
		return x.String()
	case int:
		if f.also != "" && int64(x) == alsoValue(f.also) {
			return f.also
		}
	case float64:
		if f.also != "" && x == float64(alsoValue(f.also)) {
			return f.also
		}
		return number(x)
	}
	return fmt.Sprint(v.Interface())
}

// suggest ends a message about an unknown word: with the nearest of the known
// ones, or with all.
func suggest(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "want one of " + strings.Join(known, ", ")
}

// nearest returns the known word that a misspelt one most likely stands for,
// empty if none is near.
func nearest(word string, known []string) string {
	if near := spelling.Nearest(word, known); len(near) > 0 {
		return near[0]
	}
	return ""
}

func keysOf(fields []field) []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return keys
}

func (f field) belongs(siblingText string) bool {
	return f.sibling == "" || slices.Contains(f.siblings, siblingText)
}
