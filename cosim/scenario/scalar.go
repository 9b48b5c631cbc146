package scenario

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// wanted names what a scalar of the type looks like.
func wanted(t reflect.Type) string {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[time.Duration]():
		return "a duration such as 250us or 10m"
	case reflect.TypeFor[Rate]():
		return "a rate such as 100/s or 5/min"
	case reflect.TypeFor[MiB]():
		return "a size such as 200MiB or 16GiB"
	case reflect.TypeFor[Share]():
		return "a share such as 40%"
	case reflect.TypeFor[WarmUp]():
		return "a duration such as 30s or a share such as 10%"
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Uint64:
		return "a whole number from 0"
	case reflect.Float64:
		return "a number"
	default:
		return "text"
	}
}

// readScalar reads one word or number.
func (r *reader) readScalar(v reflect.Value, f field, p place) {
	want := wanted(v.Type())
	if f.also != "" {
		want += ", or " + f.also
	}
	text := p.node.text
	switch {
	case p.node.kind == nullNode:
		r.wrong(p, "is empty: want %s", want)
		return
	case p.node.kind != textNode && p.node.kind != wordNode:
		r.wrong(p, "want %s, not %s", want, p.node.what())
		return
	case len(f.words) > 0:
		r.readWord(v, f, p)
		return
	case f.also != "" && text == f.also:
		setNumber(v, alsoValue(f.also))
		return
	}
	if err := parseScalar(v, p.node, want); err != nil {
		r.wrong(p, "%v", err)
		return
	}
	r.checkBounds(v, f, p)
}

func (r *reader) readWord(v reflect.Value, f field, p place) {
	i := slices.Index(f.words, p.node.text)
	switch {
	case i < 0:
		r.wrong(p, "%s is not known: %s", p.node.what(), suggest(p.node.text, f.words))
	case v.Kind() == reflect.Uint8:
		v.SetUint(uint64(i + 1))
	default:
		v.SetString(p.node.text)
	}
}

func setNumber(v reflect.Value, x int64) {
	if v.CanFloat() {
		v.SetFloat(float64(x))
	} else {
		v.SetInt(x)
	}
}

// parseScalar reads a scalar into v, strictly: a number is no text and text no
// number.
func parseScalar(v reflect.Value, n *node, want string) error {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		d, err := parseDuration(n.text)
		v.SetInt(int64(d))
		return err
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return u.UnmarshalText([]byte(n.text))
	}
	var err error
	switch v.Kind() {
	case reflect.String:
		if n.kind == wordNode {
			return fmt.Errorf("want text, not a number or truth value: write %q, in quotes", n.text)
		}
		v.SetString(n.text)
		return nil
	case reflect.Bool:
		if n.text != "true" && n.text != "false" {
			err = strconv.ErrSyntax
		}
		v.SetBool(n.text == "true")
	case reflect.Int:
		var i int64
		i, err = strconv.ParseInt(n.text, 10, 64)
		v.SetInt(i)
	case reflect.Uint64:
		var u uint64
		u, err = strconv.ParseUint(n.text, 10, 64)
		v.SetUint(u)
	case reflect.Float64:
		x, ok := parseNumber(n.text)
		if !ok {
			err = strconv.ErrSyntax
		}
		v.SetFloat(x)
	}
	if err != nil || n.kind != wordNode {
		return fmt.Errorf("want %s, not %s", want, n.what())
	}
	return nil
}

// checkBounds notes a number outside of its range.
func (r *reader) checkBounds(v reflect.Value, f field, p place) {
	if f.bounds == "" {
		return
	}
	low, high, _ := strings.Cut(f.bounds, "..")
	inside := true
	for side, text := range []string{low, high} {
		if text == "" {
			continue
		}
		bound := reflect.New(v.Type()).Elem()
		if err := parseScalar(bound, &node{kind: wordNode, text: text}, ""); err != nil {
			r.wrong(p, "range %s: %v", f.bounds, err) // a mistake in a struct tag
			return
		}
		if c := compare(v, bound); side == 0 && c < 0 || side == 1 && c > 0 {
			inside = false
		}
	}
	if inside {
		return
	}
	want := "at least " + low
	if high != "" {
		want = "from " + low + " to " + high
	}
	if f.also != "" {
		want += ", or " + f.also
	}
	r.wrong(p, "%s is out of range: want %s", p.node.text, want)
}

func compare(a, b reflect.Value) int {
	if a.CanFloat() {
		switch x, y := a.Float(), b.Float(); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	switch x, y := a.Int(), b.Int(); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}
