// Package scenario turns a scenario file into a validated Scenario, or into the
// list of everything that is wrong with it.
//
// A scenario says what is simulated (cluster, workload), how faithfully
// (fidelity) and where (execution). The first three and the factors are the
// result's identity; execution may change without changing a number.
//
// The package guarantees that a Scenario it returns is complete (defaults filled
// in, words known, ranges kept, files present) and that a mistake is never
// reported alone when there are more: unknown keys, wrong types, missing units,
// contradictions and missing files come together, each with file, line, column,
// the line itself and the remedy. It runs nothing; package experiment does.
//
// The struct tags below are the schema, read by the reader, by Canonical and by
// the generator of scenario.schema.json alike:
//
//	yaml:"key"        the key
//	need:"always"     the key must be given
//	default:"10m"     what is meant where the key is missing
//	range:"1..1024"   bounds of a number, a share or a duration; either may be missing
//	words:"a|b"       the only texts allowed
//	also:"unlimited"  a word that is allowed too, and means -1 (0 for "fitted")
//	file:"read"       the path of a file whose content counts, not its place
//	only:"kind=a|b"   the key belongs to these values of a sibling above it
package scenario
