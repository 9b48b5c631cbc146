package scenario_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"microcosm/cosim/scenario"
)

// TestSchemaAcceptsWhatTheReaderAccepts holds the schema against every example,
// as written and in canonical form.
func TestSchemaAcceptsWhatTheReaderAccepts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Empty(t, violations(t, text), file)
		skip := strings.Contains(file, "invitro")
		if s, err := scenario.Load(file); !skip || err == nil {
			require.NoError(t, err)
			require.Empty(t, violations(t, s.Canonical()), file)
		}
	}
}

// TestSchemaRefusesWhatTheReaderRefuses holds it against the bad scenarios
// whose mistakes do not need a view of the whole.
func TestSchemaRefusesWhatTheReaderRefuses(t *testing.T) {
	t.Parallel()
	archive, err := txtar.ParseFile("testdata/mistakes.txtar")
	require.NoError(t, err)
	least := map[string]int{ // of the violations a schema can see
		"unknown-keys.yaml": 11, "wrong-units.yaml": 17, "wrong-types.yaml": 22, "out-of-range.yaml": 18,
		"missing.yaml": 13, "contradictions.yaml": 6, "unknown-words.yaml": 11, "not-a-mapping.yaml": 1,
	}
	for _, f := range archive.Files {
		if n, ok := least[f.Name]; ok {
			require.GreaterOrEqual(t, len(violations(t, f.Data)), n, "%s: %v", f.Name, violations(t, f.Data))
			delete(least, f.Name)
		}
	}
	require.Empty(t, least)
}

// violations returns where a document contradicts the schema.
func violations(t *testing.T, document []byte) []string {
	t.Helper()
	var schema, value any
	require.NoError(t, json.Unmarshal(scenario.JSONSchema(), &schema))
	require.NoError(t, yaml.Unmarshal(document, &value))
	text, err := json.Marshal(value)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &value))
	return check(schema, value, "")
}

// check is the part of JSON Schema (draft 7) that scenario.schema.json uses.
func check(schema, value any, path string) (wrong []string) {
	s, isObject := schema.(map[string]any)
	if !isObject {
		if schema == false {
			return []string{path + ": must not be there"}
		}
		return nil
	}
	fail := func(format string, args ...any) { wrong = append(wrong, path+": "+fmt.Sprintf(format, args...)) }
	for key, want := range s {
		switch key {
		case "$schema", "title", "description", "default", "examples", "properties", "additionalProperties", "then", "else":
		case "type":
			if !isA(value, want.(string)) {
				fail("is no %s", want)
			}
		case "const":
			if value != want {
				fail("is not %v", want)
			}
		case "enum":
			if !contains(want.([]any), value) {
				fail("is none of %v", want)
			}
		case "pattern":
			if text, ok := value.(string); ok && !regexp.MustCompile(want.(string)).MatchString(text) {
				fail("does not match %v", want)
			}
		case "minimum":
			if x, ok := value.(float64); ok && x < want.(float64) {
				fail("is below %v", want)
			}
		case "maximum":
			if x, ok := value.(float64); ok && x > want.(float64) {
				fail("is above %v", want)
			}
		case "minItems":
			if list, ok := value.([]any); ok && float64(len(list)) < want.(float64) {
				fail("has too few items")
			}
		case "required":
			for _, key := range want.([]any) {
				if object, ok := value.(map[string]any); ok && object[key.(string)] == nil {
					fail("lacks %v", key)
				}
			}
		case "items":
			list, _ := value.([]any)
			for i, item := range list {
				wrong = append(wrong, check(want, item, fmt.Sprintf("%s[%d]", path, i))...)
			}
		case "allOf":
			for _, one := range want.([]any) {
				wrong = append(wrong, check(one, value, path)...)
			}
		case "anyOf":
			fits := false
			for _, one := range want.([]any) {
				fits = fits || len(check(one, value, path)) == 0
			}
			if !fits {
				fail("fits none of the choices")
			}
		case "if":
			branch := s["else"]
			if len(check(want, value, path)) == 0 {
				branch = s["then"]
			}
			wrong = append(wrong, check(branch, value, path)...)
		default:
			fail("the test knows no keyword %s", key)
		}
	}
	return append(wrong, checkProperties(s, value, path)...)
}

func checkProperties(s map[string]any, value any, path string) (wrong []string) {
	object, _ := value.(map[string]any)
	properties, _ := s["properties"].(map[string]any)
	for key, v := range object {
		if p, known := properties[key]; known {
			wrong = append(wrong, check(p, v, path+"."+key)...)
		} else if s["additionalProperties"] == false {
			wrong = append(wrong, path+": unknown key "+key)
		}
	}
	return wrong
}

func isA(value any, kind string) bool {
	switch v := value.(type) {
	case map[string]any:
		return kind == "object"
	case []any:
		return kind == "array"
	case string:
		return kind == "string"
	case bool:
		return kind == "boolean"
	case float64:
		return kind == "number" || kind == "integer" && v == float64(int64(v))
	}
	return false
}

func contains(list []any, value any) bool {
	for _, v := range list {
		if v == value {
			return true
		}
	}
	return false
}
