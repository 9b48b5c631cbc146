package scenario

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Violations returns where a document contradicts the schema.
func Violations(t testing.TB, document []byte) []string {
	t.Helper()
	root, mistakes := parseYAML("document.yaml", string(document))
	require.NotNil(t, root, mistakes)
	return violations(root)
}

// violations returns where a document contradicts the schema.
func violations(root *node) []string { return obey(schemaValue(), valueOf(root), "") }

// schemaValue is the schema as encoding/json reads it.
var schemaValue = sync.OnceValue(func() (value any) {
	if err := json.Unmarshal(JSONSchema(), &value); err != nil {
		return err.Error() // the schema of nothing: TestSchemaIsCurrent says so
	}
	return value
})

// valueOf returns a document as encoding/json would read it.
func valueOf(n *node) any {
	switch n.kind {
	case mappingNode:
		object := map[string]any{}
		for _, e := range n.entries {
			object[e.key] = valueOf(e.value)
		}
		return object
	case listNode:
		list := []any{}
		for _, item := range n.items {
			list = append(list, valueOf(item))
		}
		return list
	case wordNode:
		if x, err := strconv.ParseFloat(n.text, 64); err == nil {
			return x
		}
		return n.text == "true"
	case textNode:
		return n.text
	default:
		return nil
	}
}

// obey is the part of JSON Schema (draft 7) that scenario.schema.json uses.
func obey(schema, value any, path string) (wrong []string) {
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
				wrong = append(wrong, obey(want, item, fmt.Sprintf("%s[%d]", path, i))...)
			}
		case "allOf":
			for _, one := range want.([]any) {
				wrong = append(wrong, obey(one, value, path)...)
			}
		case "anyOf":
			fits := false
			for _, one := range want.([]any) {
				fits = fits || len(obey(one, value, path)) == 0
			}
			if !fits {
				fail("fits none of the choices")
			}
		case "if":
			branch := s["else"]
			if len(obey(want, value, path)) == 0 {
				branch = s["then"]
			}
			wrong = append(wrong, obey(branch, value, path)...)
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
			wrong = append(wrong, obey(p, v, path+"."+key)...)
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
		return kind == "number" || kind == "integer" && v == math.Trunc(v)
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
