package scenario

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/policy"
)

// Policy is the choice of a policy and its parameters: written as the policy's
// name, or as a mapping of the key policy and the parameters. A keep-alive may be
// written as a duration too, which means the policy fixed.
type Policy[P any] struct {
	Name string
	With P // its exported fields are the parameters
}

// chosen is a Policy of any family.
type chosen interface {
	// parts returns the name and the parameters of what was chosen.
	parts() (name string, parameters reflect.Value)
	// prototypes returns all policies of the family, with their defaults.
	prototypes() map[string]reflect.Value
	fmt.Stringer
}

// policyKey names the policy where it is written with parameters.
const policyKey = "policy"

// family returns the policies of the type.
func family[P any]() map[string]P {
	var all any
	switch any((*P)(nil)).(type) {
	case *policy.Balancing:
		all = policy.Balancings()
	case *cluster.Placement:
		all = policy.Placements()
	case *policy.Keeping:
		all = policy.Keepings()
	case *cluster.Retry:
		all = policy.Retries()
	case *policy.Hedging:
		all = policy.Hedgings()
	}
	return all.(map[string]P)
}

func (c Policy[P]) prototypes() map[string]reflect.Value {
	all := map[string]reflect.Value{}
	for name, p := range family[P]() {
		all[name] = reflect.ValueOf(p)
	}
	return all
}

func (c Policy[P]) parts() (string, reflect.Value) { return c.Name, reflect.ValueOf(c.With) }

// String returns the policy's name, or the duration of a fixed keep-alive.
func (c Policy[P]) String() string {
	if fixed, ok := any(c.With).(policy.FixedTime); ok {
		return format(field{also: "unlimited"}, reflect.ValueOf(fixed.For))
	}
	return c.Name
}

// isPolicy reports that values of the type are policies.
func isPolicy(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && t.Implements(reflect.TypeFor[chosen]())
}

// parametersOf returns the parameters of a policy, all with their defaults.
func parametersOf(prototype reflect.Value) []field {
	if prototype.Kind() != reflect.Struct {
		return nil
	}
	fields := fieldsOf(prototype.Type())
	for i, f := range fields {
		fields[i].hasStandard, fields[i].standard = true, format(f, prototype.FieldByIndex(f.index))
	}
	return fields
}

// policyKeys returns the keys of a policy that is written with parameters, for
// all policies of the family together.
func policyKeys(t reflect.Type) []field {
	all := reflect.Zero(t).Interface().(chosen).prototypes()
	names := slices.Sorted(maps.Keys(all))
	keys := []field{{key: policyKey, kind: reflect.TypeFor[string](), words: names}}
	for _, name := range names {
		for _, f := range parametersOf(all[name]) {
			if !slices.ContainsFunc(keys, func(k field) bool { return k.key == f.key }) {
				keys = append(keys, f)
			}
		}
	}
	return keys
}

func (c *Policy[P]) read(r *reader, p place) {
	all := family[P]()
	names := slices.Sorted(maps.Keys(all))
	at := p
	switch {
	case p.node.kind == mappingNode:
		if at = p.child(policyKey); at.node == nil {
			r.wrong(at, "the key is missing: add %s: %s", policyKey, strings.Join(names, " | "))
			return
		}
	case c.readDuration(r, p):
		return
	}
	if at.node.kind != textNode {
		r.wrong(at, "want the name of a policy, not %s", at.node.what())
		return
	}
	prototype, known := all[at.node.text]
	if !known {
		r.wrong(at, "%s is not known: %s", at.node.what(), suggest(at.node.text, names))
		return
	}
	parameters := reflect.New(reflect.TypeOf(prototype)).Elem()
	parameters.Set(reflect.ValueOf(prototype))
	if p.node.kind == mappingNode {
		r.readParameters(parameters, p)
	}
	c.Name, c.With = at.node.text, parameters.Interface().(P)
	if v, ok := any(c.With).(interface{ Validate() error }); ok && !r.reported[p.path] {
		if err := v.Validate(); err != nil {
			r.wrong(p, "%v", err)
		}
	}
}

// readDuration reads the short form of a fixed keep-alive; false where something
// else is written.
func (c *Policy[P]) readDuration(r *reader, p place) bool {
	text := p.node.text
	short := text == "unlimited" || text != "" && strings.ContainsAny(text[:1], "0123456789+-.")
	if _, isKeepAlive := any(family[P]()).(map[string]policy.Keeping); !isKeepAlive || !short {
		return false
	}
	var d time.Duration
	r.readScalar(reflect.ValueOf(&d).Elem(), field{also: "unlimited", bounds: "0s.."}, p)
	c.Name, c.With = "fixed", any(policy.FixedTime{For: d}).(P)
	return true
}

// readParameters reads the keys beside that of the policy; one that is missing
// keeps its default.
func (r *reader) readParameters(v reflect.Value, p place) {
	fields := parametersOf(v)
	if !r.checkKeys(append([]field{{key: policyKey}}, fields...), p) {
		return
	}
	for _, f := range fields {
		r.readField(v, fields, f, p)
	}
}

// policy writes the choice of a policy after its key: in short where it has no
// parameters.
func (w *writer) policy(path, indent string, c chosen) {
	name, parameters := c.parts()
	fields := parametersOf(parameters)
	if len(fields) == 0 || c.String() != name {
		w.out.WriteString(" " + c.String() + "\n")
		return
	}
	w.out.WriteString("\n" + indent + "  " + policyKey + ": " + name + "\n")
	for _, f := range fields {
		w.out.WriteString(indent + "  " + f.key + ":")
		w.value(path+"."+f.key, indent+"  ", f, parameters.FieldByIndex(f.index))
	}
}
