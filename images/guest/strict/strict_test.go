package strict_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/images/guest/strict"
)

type word string

func (w *word) UnmarshalText(text []byte) error {
	if string(text) != "yes" {
		return errors.New("want yes")
	}
	*w = word(text)
	return nil
}

type inner struct {
	N int `json:"n"`
}

type outer struct {
	Name  string  `json:"name"`
	Big   uint64  `json:"big"`
	Small int8    `json:"small"`
	On    bool    `json:"on"`
	Word  word    `json:"word"`
	List  []inner `json:"list"`
	In    inner   `json:"in"`
}

func TestUnmarshal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want outer
		errs []string
	}{
		"everything given": {
			text: ` {"name":"x","big":18446744073709551615,"small":-7,"on":true,"word":"yes","list":[{"n":1},{}],"in":{"n":2}} `,
			want: outer{"x", 18446744073709551615, -7, true, "yes", []inner{{1}, {}}, inner{2}},
		},
		"nothing given": {text: `{}`},
		"every mistake at once": {
			text: `{"name":3,"big":-1,"small":300,"on":"true","word":"no","list":[{"m":1},5],"in":[],"more":null}`,
			errs: []string{
				`name: want a text in quotes, got 3`, `big: want a whole number from 0, got -1`, `small: want a whole number, got 300`,
				`on: want true or false, got "true"`, `word: want yes`, `list[0]: unknown field "m": there are n`,
				`list[1]: want an object, got 5`, `in: want an object, got []`,
				`unknown field "more": there are big, in, list, name, on, small, word`,
			},
		},
		"a field twice":                {text: `{"name":"a","name":"b"}`, errs: []string{"name: given twice"}},
		"another case is unknown":      {text: `{"Name":"a"}`, errs: []string{`unknown field "Name"`}},
		"null":                         {text: `{"list":null}`, errs: []string{"list: null is no value"}},
		"a fraction":                   {text: `{"small":1.5}`, errs: []string{"small: want a whole number, got 1.5"}},
		"a number in place of a word":  {text: `{"word":1}`, errs: []string{"word: want a word in quotes"}},
		"an object in place of a list": {text: `{"list":{}}`, errs: []string{"list: want a list, got {}"}},
		"no object":                    {text: `[1]`, errs: []string{"want an object, got [1]"}},
		"half a text":                  {text: `{"name":"a"`, errs: []string{"no JSON", "byte 11 of 11"}},
		"two texts":                    {text: `{} {}`, errs: []string{"no JSON"}},
		"empty":                        {text: ``, errs: []string{"no JSON"}},
		"no UTF-8":                     {text: "{\"name\":\"\xff\"}", errs: []string{"not UTF-8"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got outer
			err := strict.Unmarshal([]byte(c.text), &got)
			for _, want := range c.errs {
				require.ErrorContains(t, err, want)
			}
			if c.errs == nil {
				require.NoError(t, err)
				require.Equal(t, c.want, got)
			}
		})
	}
}

// What is accepted means the same to encoding/json.
func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"name":"x","big":1,"list":[{"n":1}],"in":{"n":-2},"word":"yes"}`))
	f.Add([]byte(`{"name":null,"x":{},"list":[[[]]]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var got, want outer
		if strict.Unmarshal(text, &got) != nil {
			return
		}
		require.NoError(t, json.Unmarshal(text, &want))
		if len(want.List) == 0 && len(got.List) == 0 {
			want.List, got.List = nil, nil
		}
		require.Equal(t, want, got)
	})
}
