// Package strict answers whether a JSON text is exactly what a struct asks for.
//
// Unlike encoding/json it reports every mistake at once, each with its place:
// unknown, repeated and misspelt fields, values of the wrong type and numbers
// that do not fit. It knows structs, slices, strings, booleans, integers and
// whatever implements encoding.TextUnmarshaler. A missing field keeps the value
// that the struct had; whether that will do is for the caller to say.
package strict

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Unmarshal fills the struct that into points to. The error joins every mistake;
// into is not to be used then.
func Unmarshal(text []byte, into any) error {
	if !utf8.Valid(text) {
		return errors.New("not UTF-8 text")
	}
	var whole json.RawMessage
	if err := json.Unmarshal(text, &whole); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return fmt.Errorf("no JSON: at byte %d of %d: %w", syntax.Offset, len(text), err)
		}
		return fmt.Errorf("no JSON: %w", err)
	}
	return errors.Join(value(whole, reflect.ValueOf(into).Elem(), "")...)
}

var null = []byte("null")

// value fills v from one JSON value; at is its place.
func value(raw json.RawMessage, v reflect.Value, at string) []error {
	raw = bytes.TrimSpace(raw)
	if bytes.Equal(raw, null) {
		return wrong(at, "null is no value: leave it out")
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		var word string
		if json.Unmarshal(raw, &word) != nil {
			return wrong(at, "want a word in quotes, got "+short(raw))
		}
		if err := u.UnmarshalText([]byte(word)); err != nil {
			return wrong(at, err.Error())
		}
		return nil
	}
	switch v.Kind() {
	case reflect.Struct:
		return object(raw, v, at)
	case reflect.Slice:
		return list(raw, v, at)
	}
	// Numbers with a fraction, signs and sizes are json's to judge.
	if err := json.Unmarshal(raw, v.Addr().Interface()); err != nil {
		return wrong(at, fmt.Sprintf("want %s, got %s", kind(v), short(raw)))
	}
	return nil
}

func object(raw json.RawMessage, v reflect.Value, at string) []error {
	if raw[0] != '{' {
		return wrong(at, "want an object, got "+short(raw))
	}
	fields := fieldsOf(v)
	var mistakes []error
	seen := map[string]bool{}
	d := json.NewDecoder(bytes.NewReader(raw))
	if _, err := d.Token(); err != nil { // the opening brace
		return wrong(at, err.Error())
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return append(mistakes, wrong(at, err.Error())...)
		}
		var member json.RawMessage
		if err := d.Decode(&member); err != nil && !errors.Is(err, io.EOF) {
			return append(mistakes, wrong(at, err.Error())...)
		}
		name := fmt.Sprint(key)
		place := strings.TrimPrefix(at+"."+name, ".")
		field, known := fields[name]
		switch {
		case !known:
			mistakes = append(mistakes, wrong(at, fmt.Sprintf("unknown field %q: there are %s", name, names(fields)))...)
		case seen[name]:
			mistakes = append(mistakes, wrong(place, "given twice")...)
		default:
			mistakes = append(mistakes, value(member, field, place)...)
		}
		seen[name] = true
	}
	return mistakes
}

func list(raw json.RawMessage, v reflect.Value, at string) []error {
	var members []json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return wrong(at, "want a list, got "+short(raw))
	}
	v.Set(reflect.MakeSlice(v.Type(), len(members), len(members)))
	var mistakes []error
	for i, member := range members {
		mistakes = append(mistakes, value(member, v.Index(i), at+"["+strconv.Itoa(i)+"]")...)
	}
	return mistakes
}

// fieldsOf returns the fields of a struct by the names of their json tags.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if name != "" && name != "-" {
			fields[name] = v.Field(i)
		}
	}
	return fields
}

func names(fields map[string]reflect.Value) string {
	var list []string
	for name := range fields {
		list = append(list, name)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func kind(v reflect.Value) string {
	switch {
	case v.CanUint():
		return "a whole number from 0"
	case v.CanInt():
		return "a whole number"
	case v.Kind() == reflect.Bool:
		return "true or false"
	case v.Kind() == reflect.String:
		return "a text in quotes"
	}
	return v.Type().String()
}

// short returns the beginning of a JSON value, for messages.
func short(raw []byte) string {
	const most = 40
	if len(raw) > most {
		return strings.ToValidUTF8(string(raw[:most]), "") + "…"
	}
	return string(raw)
}

func wrong(at, text string) []error {
	if at == "" {
		return []error{errors.New(text)}
	}
	return []error{errors.New(at + ": " + text)}
}
