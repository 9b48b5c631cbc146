package scenario

import (
	_ "embed" // for the schema
	"slices"
)

//go:generate go test -run TestSchemaIsCurrent . -update

//go:embed scenario.schema.json
var schema []byte

// JSONSchema returns the JSON Schema (draft 7) of a scenario, for editors: give
// the file to yaml-language-server, or name it in a scenario's first line as
//
//	# yaml-language-server: $schema=scenario.schema.json
//
// It knows keys, types, units and words, but not the rules between keys of
// different sections.
func JSONSchema() []byte { return slices.Clone(schema) }
