package scenario

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Canonical returns the scenario as YAML in the one normal form, with every
// default written out. Parsing it under the name of the original gives an equal
// scenario.
func (s *Scenario) Canonical() []byte {
	w := writer{}
	w.structure("", "", reflect.ValueOf(s).Elem())
	return w.out.Bytes()
}

// writer writes values as YAML in block style.
type writer struct {
	out  bytes.Buffer
	skip []string                       // paths that are left out
	file func(path, text string) string // replaces the path of a file; nil leaves it
}

// structure writes the keys of a struct, each line after the indent.
func (w *writer) structure(path, indent string, v reflect.Value) {
	fields := fieldsOf(v.Type())
	for _, f := range fields {
		c := strings.TrimPrefix(path+"."+f.key, ".")
		value := v.FieldByIndex(f.index)
		if slices.Contains(w.skip, c) || !shown(v, fields, f, value) {
			continue
		}
		start := w.out.Len()
		head := indent + f.key + ":"
		w.out.WriteString(head)
		w.value(c, indent, f, value)
		if w.out.Len() == start+len(head+"\n") { // nothing is below
			w.out.Truncate(start)
			if value.Kind() == reflect.Pointer { // but it stands there, and overrides something
				w.out.WriteString(head + " {}\n")
			}
		}
	}
}

// shown reports that a key belongs here and has something to say.
func shown(v reflect.Value, fields []field, f field, value reflect.Value) bool {
	if f.sibling != "" {
		i := slices.IndexFunc(fields, func(s field) bool { return s.key == f.sibling })
		if !f.belongs(format(fields[i], v.FieldByIndex(fields[i].index))) {
			return false
		}
	}
	isStruct := value.Kind() == reflect.Struct
	return isStruct || f.needed || f.hasStandard || !value.IsZero()
}

func (w *writer) value(path, indent string, f field, v reflect.Value) {
	if stage, ok := v.Interface().(Stage); ok {
		if stage.Law == nil || stage.Law.Law == "deterministic" {
			w.out.WriteString(" " + stage.String() + "\n")
			return
		}
		v = reflect.ValueOf(*stage.Law)
	}
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if c, ok := v.Interface().(chosen); ok {
		w.policy(path, indent, c)
		return
	}
	switch {
	case isScalar(v.Type()):
		w.scalar(path, f, v)
	case v.Kind() == reflect.Slice:
		w.out.WriteString("\n")
		for i := range v.Len() {
			w.out.WriteString(indent + "  -")
			w.item(fmt.Sprintf("%s[%d]", path, i), indent+"  ", f, v.Index(i))
		}
	default:
		w.out.WriteString("\n")
		w.structure(path, indent+"  ", v)
	}
}

// item writes an item of a list after its dash.
func (w *writer) item(path, indent string, f field, v reflect.Value) {
	if isScalar(v.Type()) {
		w.scalar(path, f, v)
		return
	}
	start := w.out.Len()
	w.structure(path, indent+"  ", v)
	keys := slices.Clone(w.out.Bytes()[start:]) // the first key stands on the line of the dash
	w.out.Truncate(start)
	w.out.WriteString(" ")
	w.out.Write(keys[len(indent)+2:])
}

func (w *writer) scalar(path string, f field, v reflect.Value) {
	text := format(f, v)
	if f.file && w.file != nil {
		text = w.file(path, text)
	}
	if v.Kind() == reflect.String {
		text = quote(text)
	}
	w.out.WriteString(" " + text + "\n")
}

// plain matches text that YAML reads as text without quotes.
var plain = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./-]*$`)

// reserved are words that some version of YAML reads as no text.
var reserved = regexp.MustCompile(`(?i)^(true|false|yes|no|on|off|y|n|null)$`)

// quote writes text so that YAML reads it as text: in double quotes, whose
// escapes can be those of JSON, unless it is a plain word.
func quote(text string) string {
	if plain.MatchString(text) && !reserved.MatchString(text) {
		return text
	}
	return quoted(text)
}

func quoted(text string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return err.Error() // a string has none
	}
	return strings.TrimSuffix(b.String(), "\n")
}
