package strict_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/images/guest/strict"
)

func drawOuter(t *rapid.T) outer {
	o := outer{
		Name: rapid.String().Draw(t, "name"), Big: rapid.Uint64().Draw(t, "big"), Small: rapid.Int8().Draw(t, "small"), On: rapid.Bool().Draw(t, "on"),
		Word: "yes", List: []inner{}, In: inner{rapid.Int().Draw(t, "in")},
	}
	for range rapid.IntRange(0, 4).Draw(t, "list") {
		o.List = append(o.List, inner{rapid.Int().Draw(t, "n")})
	}
	return o
}

func TestWhatEncodingJSONWritesIsRead(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawOuter(t)
		text, err := json.MarshalIndent(want, " ", "\t")
		require.NoError(t, err)
		var got outer
		require.NoError(t, strict.Unmarshal(text, &got))
		require.Equal(t, want, got)
	})
}

// TestEveryMistakeHasItsPlace puts any number of mistakes into a good object: each is a
// line of the error, and there is no other.
func TestEveryMistakeHasItsPlace(t *testing.T) {
	t.Parallel()
	spoiled := map[string]struct{ text, says string }{
		"name":  {`{"a":1}`, `name: want a text in quotes, got {"a":1}`},
		"big":   {`18446744073709551616`, "big: want a whole number from 0, got 18446744073709551616"},
		"small": {`1e1`, "small: want a whole number, got 1e1"},
		"on":    {`0`, "on: want true or false, got 0"},
		"word":  {`["yes"]`, `word: want a word in quotes, got ["yes"]`},
		"in":    {`{"n":{},"m":1}`, "in.n: want a whole number, got {}\nin: unknown field \"m\": there are n"},
		"list":  {`[{"n":1},{"n":"2"},7]`, "list[1].n: want a whole number, got \"2\"\nlist[2]: want an object, got 7"},
	}
	rapid.Check(t, func(t *rapid.T) {
		good, err := json.Marshal(drawOuter(t))
		require.NoError(t, err)
		var members map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(good, &members))
		var text, want []string
		for _, name := range rapid.Permutation(slices.Sorted(maps.Keys(members))).Draw(t, "order") {
			value := string(members[name])
			if rapid.Bool().Draw(t, "spoil "+name) {
				value = spoiled[name].text
				want = append(want, spoiled[name].says)
			}
			text = append(text, fmt.Sprintf("%q:%s", name, value))
		}
		var got outer
		err = strict.Unmarshal([]byte("{"+strings.Join(text, ",")+"}"), &got)
		if len(want) == 0 {
			require.NoError(t, err)
			return
		}
		require.EqualError(t, err, strings.Join(want, "\n"), "in the order in which they stand there")
	})
}

func TestNumbersAtTheirEnds(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]any{
		`{"small":127}`:                int8(127),
		`{"small":-128}`:               int8(-128),
		`{"small":128}`:                nil,
		`{"small":-129}`:               nil,
		`{"small":-0}`:                 int8(0),
		`{"small":0.0}`:                nil,
		`{"small":1e0}`:                nil,
		`{"small":"1"}`:                nil,
		`{"small":true}`:               nil,
		`{"big":18446744073709551615}`: uint64(math.MaxUint64),
		`{"big":18446744073709551616}`: nil,
		`{"big":-0}`:                   nil,
	} {
		var got outer
		err := strict.Unmarshal([]byte(text), &got)
		if want == nil {
			require.ErrorContains(t, err, "want a whole number", text)
			continue
		}
		require.NoError(t, err, text)
		require.Contains(t, []any{got.Small, got.Big}, want, text)
	}
}

func TestTextsAtTheirEnds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want, err string }{
		"escapes":                      {`{"name":"a\u00e9\n\"\ud83d\ude00"}`, "aé\n\"😀", ""},
		"half a surrogate":             {`{"name":"\ud83d"}`, "\uFFFD", ""},
		"an escaped name of a field":   {`{"\u006eame":"a"}`, "a", ""},
		"the same field, once escaped": {`{"name":"a","\u006eame":"b"}`, "", "name: given twice"},
		"an empty name of a field":     {`{"":"a"}`, "", `unknown field ""`},
		"a field that has no tag":      {`{"Name":"a"}`, "", `unknown field "Name"`},
		"a mark before the text":       {"\ufeff" + `{"name":"a"}`, "", "no JSON"},
		"a byte of another encoding":   {"{\"name\":\"\xe9\"}", "", "not UTF-8 text"},
		"a long value, cut in messages": {
			`{"small":"` + strings.Repeat("é", 100) + `"}`, "", `small: want a whole number, got "` + strings.Repeat("é", 19) + "…",
		},
		"nothing but null":        {`null`, "", "null is no value: leave it out"},
		"a number after the text": {`{"name":"a"} 1`, "", "no JSON: at byte 14 of 14"},
	} {
		var got outer
		err := strict.Unmarshal([]byte(c.text), &got)
		if c.err != "" {
			require.ErrorContains(t, err, c.err, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, c.want, got.Name, name)
	}
}

func TestWhatIsLeftOutKeepsItsValue(t *testing.T) {
	t.Parallel()
	got := outer{Name: "before", Small: 3, List: []inner{{1}, {2}}, In: inner{9}}
	require.NoError(t, strict.Unmarshal([]byte(`{"list":[{}],"in":{}}`), &got))
	require.Equal(t, outer{Name: "before", Small: 3, List: []inner{{0}}, In: inner{9}}, got, "a list that is given is a new one")
}
