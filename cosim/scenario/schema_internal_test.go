package scenario

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/invopop/jsonschema"
	"github.com/stretchr/testify/require"

	"microcosm/cosim/policy"
)

// Update is the flag -update, for the tests in package scenario_test too.
var Update = flag.Bool("update", false, "write golden files and the schema instead of comparing them")

// TestSchemaIsCurrent fails where scenario.schema.json is not what the structs,
// their tags and their comments say. It writes the file with -update.
func TestSchemaIsCurrent(t *testing.T) {
	t.Parallel()
	comments := jsonschema.Reflector{}
	require.NoError(t, comments.AddGoComments("microcosm/cosim/scenario", "."))
	require.NoError(t, comments.AddGoComments("microcosm/cosim/policy", "../policy"))
	g := generator{t: t, comments: comments.CommentMap}
	s := g.structure(reflect.TypeFor[Scenario]())
	s.Version = "http://json-schema.org/draft-07/schema#"
	s.Title = "Microcosm scenario"
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	require.NoError(t, encoder.Encode(s))
	if *Update {
		require.NoError(t, os.WriteFile("scenario.schema.json", want.Bytes(), 0o644))
		return
	}
	require.Equal(t, want.String(), string(JSONSchema()), "run go generate in cosim/scenario")
}

// generator makes the schema from the tags that the reader reads.
type generator struct {
	t        *testing.T
	comments map[string]string
}

func (g generator) structure(t reflect.Type) *jsonschema.Schema {
	s := &jsonschema.Schema{
		Type: "object", Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema,
		Description: g.comments["microcosm/cosim/scenario."+t.Name()],
	}
	fields := fieldsOf(t)
	for _, f := range fields {
		p := g.value(f)
		if text := g.comment(t, f); text != "" {
			p.Description = text
		}
		if f.hasStandard {
			p.Default = g.standard(f)
		}
		s.Properties.Set(f.key, p)
		switch {
		case f.sibling != "":
			s.AllOf = append(s.AllOf, conditional(fields, f))
		case f.needed:
			s.Required = append(s.Required, f.key)
		}
	}
	return s
}

// comment returns a field's comment with the key in the place of its Go name.
func (g generator) comment(t reflect.Type, f field) string {
	of := t.FieldByIndex(f.index)
	if len(f.index) > 1 {
		t = t.Field(f.index[0]).Type
	}
	text, ok := g.comments[t.PkgPath()+"."+t.Name()+"."+of.Name]
	require.True(g.t, ok, "%s.%s has no comment", t.Name(), of.Name)
	if rest, found := strings.CutPrefix(strings.Join(strings.Fields(text), " "), of.Name+" "); found {
		return f.key + " " + rest
	}
	return text
}

// conditional says where a key belongs, and where it must not be missing.
func conditional(fields []field, f field) *jsonschema.Schema {
	words := &jsonschema.Schema{}
	for _, word := range f.siblings {
		words.Enum = append(words.Enum, word)
	}
	when := &jsonschema.Schema{Properties: jsonschema.NewProperties()}
	when.Properties.Set(f.sibling, words)
	for _, sibling := range fields {
		if sibling.key == f.sibling && !f.belongs(sibling.standard) {
			when.Required = []string{f.sibling}
		}
	}
	c := &jsonschema.Schema{If: when, Else: &jsonschema.Schema{Properties: jsonschema.NewProperties()}}
	c.Else.Properties.Set(f.key, jsonschema.FalseSchema)
	if f.needed {
		c.Then = &jsonschema.Schema{Required: []string{f.key}}
	}
	return c
}

const (
	decimal = `([0-9]+\.?[0-9]*|\.[0-9]+)`
	amount  = `\+?` + decimal + `([eE][+-]?[0-9]+)?` // above or at 0, as a range would have it

	durationPattern  = `^\+?(` + decimal + `(d|h|m|s|ms|us|µs|μs|ns))+$`
	percentPattern   = `^\+?` + decimal + `%$`
	ratePattern      = `^` + amount + `/(s|sec|min|h|d)$`
	sizePattern      = `^` + amount + `(MiB|GiB|TiB)$`
	cpuPattern       = `^` + amount + `m?$`
	bytesPattern     = `^` + amount + `([KMG]iB|[kMG]?B)$`
	bandwidthPattern = `^` + amount + `([KMG]iB|[kMG]?B)/s$`
)

func text(pattern string, examples ...any) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: pattern, Examples: examples}
}

func either(choices ...*jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{AnyOf: choices}
}

// value returns the schema of what may stand at a key.
func (g generator) value(f field) *jsonschema.Schema {
	if f.also != "" {
		without := f
		without.also = ""
		return either(g.value(without), &jsonschema.Schema{Const: f.also})
	}
	t := f.kind
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if isPolicy(t) {
		return g.policy(t)
	}
	switch t {
	case reflect.TypeFor[time.Duration]():
		return text(durationPattern, "250us", "10m", "2d")
	case reflect.TypeFor[Rate]():
		return text(ratePattern, "100/s", "5/min")
	case reflect.TypeFor[MiB]():
		return text(sizePattern, "200MiB", "16GiB")
	case reflect.TypeFor[CPU]():
		return either(text(cpuPattern, "250m"), &jsonschema.Schema{Type: "number", Minimum: "0"})
	case reflect.TypeFor[Bytes]():
		return text(bytesPattern, "64KiB", "1.5MB")
	case reflect.TypeFor[Bandwidth]():
		return text(bandwidthPattern, "125MB/s")
	case reflect.TypeFor[Share]():
		return either(text(percentPattern, "40%"), &jsonschema.Schema{Type: "number", Minimum: "0"})
	case reflect.TypeFor[WarmUp]():
		return either(text(percentPattern, "10%"), text(durationPattern, "1m"))
	case reflect.TypeFor[Stage]():
		return either(&jsonschema.Schema{Const: "measured"}, text(durationPattern, "250ms"), g.structure(reflect.TypeFor[Law]()))
	case reflect.TypeFor[Levels]():
		return either(append([]*jsonschema.Schema{list(either(scalars()...))}, scalars()...)...)
	case reflect.TypeFor[Text]():
		return either(scalars()...)
	case reflect.TypeFor[[]string]():
		return either(list(&jsonschema.Schema{Type: "string"}), &jsonschema.Schema{Type: "string"})
	}
	return g.basic(f, t)
}

// policy returns the schema of a choice among policies: a name, or one of them
// with parameters.
func (g generator) policy(t reflect.Type) *jsonschema.Schema {
	all := reflect.Zero(t).Interface().(chosen).prototypes()
	names := &jsonschema.Schema{}
	choices := []*jsonschema.Schema{names}
	if t == reflect.TypeFor[Policy[policy.Keeping]]() {
		choices = append(choices, text(durationPattern, "10m"), &jsonschema.Schema{Const: "unlimited"})
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		names.Enum = append(names.Enum, name)
		fields := parametersOf(all[name])
		if len(fields) == 0 {
			continue
		}
		of := all[name].Type()
		s := &jsonschema.Schema{
			Type: "object", Properties: jsonschema.NewProperties(), AdditionalProperties: jsonschema.FalseSchema,
			Description: g.comments[of.PkgPath()+"."+of.Name()], Required: []string{policyKey},
		}
		s.Properties.Set(policyKey, &jsonschema.Schema{Const: name})
		for _, f := range fields {
			p := g.value(f)
			p.Description, p.Default = g.comment(of, f), g.standard(f)
			s.Properties.Set(f.key, p)
		}
		choices = append(choices, s)
	}
	return either(choices...)
}

// scalars are the schemas of one word or number.
func scalars() []*jsonschema.Schema {
	return []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}
}

func list(items *jsonschema.Schema) *jsonschema.Schema {
	one := uint64(1)
	return &jsonschema.Schema{Type: "array", Items: items, MinItems: &one}
}

func (g generator) basic(f field, t reflect.Type) *jsonschema.Schema {
	if len(f.words) > 0 {
		s := &jsonschema.Schema{}
		for _, word := range f.words {
			s.Enum = append(s.Enum, word)
		}
		return s
	}
	low, high, _ := strings.Cut(f.bounds, "..")
	s := &jsonschema.Schema{Minimum: json.Number(low), Maximum: json.Number(high)}
	switch t.Kind() {
	case reflect.String:
		s.Type = "string"
	case reflect.Bool:
		s.Type = "boolean"
	case reflect.Int:
		s.Type = "integer"
	case reflect.Uint64:
		s.Type, s.Minimum = "integer", "0"
	case reflect.Float64:
		s.Type = "number"
	case reflect.Slice:
		return list(g.structure(t.Elem()))
	case reflect.Struct:
		return g.structure(t)
	default:
		require.FailNow(g.t, "no schema for type", t)
	}
	return s
}

// standard returns a default as JSON.
func (g generator) standard(f field) any {
	if x, err := strconv.ParseFloat(f.standard, 64); err == nil {
		return x
	}
	if b, err := strconv.ParseBool(f.standard); err == nil {
		return b
	}
	return f.standard
}
