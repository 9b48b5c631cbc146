package workflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// valueKind is what a JSON value is.
type valueKind uint8

const (
	otherValue valueKind = iota // true, false, null
	textValue
	numberValue
	listValue
	objectValue
)

// value is a JSON value with its place, which encoding/json does not keep.
type value struct {
	kind   valueKind
	offset int // of its end or, for what holds others, of its beginning
	text   string
	items  []*value
	fields []field // in the order written
}

type field struct {
	name  string
	value *value
}

// syntaxError says where a text stops being JSON.
type syntaxError struct {
	offset int
	err    error
}

func (e *syntaxError) Error() string { return fmt.Sprintf("at byte %d: %v", e.offset, e.err) }

func (e *syntaxError) Unwrap() error { return e.err }

// maxNesting is far more than a file of workflows has.
const maxNesting = 16

// parse reads the only value of a text.
func parse(text []byte) (*value, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := read(d, 0)
	if err == nil {
		if _, more := d.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("something follows the end")
		}
	}
	if err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, &syntaxError{int(d.InputOffset()), err}
	}
	return v, nil
}

func read(d *json.Decoder, depth int) (*value, error) {
	token, err := d.Token()
	if err != nil {
		return nil, err
	}
	v := &value{offset: int(d.InputOffset())}
	if depth > maxNesting {
		return nil, errors.New("nested too deeply")
	}
	switch t := token.(type) {
	case string:
		v.kind, v.text = textValue, t
	case json.Number:
		v.kind, v.text = numberValue, t.String()
	case json.Delim:
		if t == '[' {
			v.kind = listValue
		} else {
			v.kind = objectValue
		}
		for d.More() {
			if err := v.add(d, depth); err != nil {
				return nil, err
			}
		}
		_, err = d.Token() // the end
	default:
		v.text = fmt.Sprint(token)
	}
	return v, err
}

// add reads the next item or field.
func (v *value) add(d *json.Decoder, depth int) error {
	name := ""
	if v.kind == objectValue {
		token, err := d.Token()
		if err != nil {
			return err
		}
		name, _ = token.(string) // the decoder lets nothing else be a name
	}
	inner, err := read(d, depth+1)
	if err != nil {
		return err
	}
	if v.kind == listValue {
		v.items = append(v.items, inner)
	} else {
		v.fields = append(v.fields, field{name, inner})
	}
	return nil
}
