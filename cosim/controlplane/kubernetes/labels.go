package kubernetes

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Labels are the labels of a node by name.
type Labels map[string]string

// The labels that topologies of Kubernetes' own are named by.
const (
	Hostname = "kubernetes.io/hostname"
	Zone     = "topology.kubernetes.io/zone"
)

// ParseLabel reads a label as kubectl writes it: "name=value".
func ParseLabel(text string) (name, value string, err error) {
	name, value, found := strings.Cut(text, "=")
	if !found || !plain(name) || value != "" && !plain(value) {
		return "", "", fmt.Errorf("%q is no label: write NAME=VALUE, such as disk=ssd", text)
	}
	return name, value, nil
}

// plain reports that a name or value has only characters that Kubernetes allows.
func plain(word string) bool {
	odd := func(c rune) bool {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		return !letter && !strings.ContainsRune("-_./", c)
	}
	return word != "" && !strings.ContainsFunc(word, odd)
}

// Requirement is one condition of a label selector.
type Requirement struct {
	Name   string
	Values []string // any of them; nil: any value at all
	Not    bool     // the opposite
}

// ParseRequirement reads a condition as kubectl writes it: "disk=ssd", "disk!=ssd",
// "zone in (a, b)", "zone notin (a, b)", "gpu" or "!gpu".
func ParseRequirement(text string) (Requirement, error) {
	wrong := fmt.Errorf("%q selects nothing: write disk=ssd, disk!=ssd, zone in (a, b), zone notin (a, b), gpu or !gpu", text)
	r := Requirement{}
	word := strings.TrimSpace(text)
	switch name, list, found := cutSet(word); {
	case found:
		r.Name, r.Not = name.name, name.not
		for value := range strings.SplitSeq(list, ",") {
			r.Values = append(r.Values, strings.TrimSpace(value))
		}
	case strings.Contains(word, "="):
		name, value, _ := strings.Cut(word, "=")
		name, r.Not = strings.CutSuffix(name, "!")
		r.Name, r.Values = strings.TrimSpace(name), []string{strings.TrimSpace(strings.TrimPrefix(value, "="))}
	default:
		r.Name, r.Not = strings.CutPrefix(word, "!")
	}
	if !plain(r.Name) || slices.ContainsFunc(r.Values, func(v string) bool { return v != "" && !plain(v) }) {
		return Requirement{}, wrong
	}
	return r, nil
}

type setName struct {
	name string
	not  bool
}

// cutSet splits "NAME in (LIST)" and "NAME notin (LIST)".
func cutSet(word string) (name setName, list string, found bool) {
	head, list, open := strings.Cut(word, "(")
	list, closed := strings.CutSuffix(list, ")")
	fields := strings.Fields(head)
	if !open || !closed || len(fields) != 2 || fields[1] != "in" && fields[1] != "notin" {
		return setName{}, "", false
	}
	return setName{fields[0], fields[1] == "notin"}, list, true
}

// Matches reports whether labels meet the condition. A label that is missing meets
// the negative ones.
func (r Requirement) Matches(labels Labels) bool {
	value, there := labels[r.Name]
	return (there && (r.Values == nil || slices.Contains(r.Values, value))) != r.Not
}

// matches reports whether labels meet all conditions.
func matches(all []Requirement, labels Labels) bool {
	return !slices.ContainsFunc(all, func(r Requirement) bool { return !r.Matches(labels) })
}

// Effect is what a taint does to pods that do not tolerate it.
type Effect uint8

// The effects. NoExecute keeps new pods away as NoSchedule does: nodes have their
// taints from the beginning, so that there are no pods to be driven off.
const (
	EffectInvalid Effect = iota
	NoSchedule
	PreferNoSchedule
	NoExecute
)

var effectWords = [...]string{"invalid", "NoSchedule", "PreferNoSchedule", "NoExecute"}

// String returns the word of the effect.
func (e Effect) String() string {
	if int(e) < len(effectWords) {
		return effectWords[e]
	}
	return effectWords[EffectInvalid]
}

// Taint keeps pods away from a node.
type Taint struct {
	Key, Value string
	Effect     Effect
}

// ParseTaint reads a taint as kubectl writes it: "key=value:Effect" or "key:Effect".
func ParseTaint(text string) (Taint, error) {
	t, err := parseTainted(text)
	if err == nil && (t.Effect == EffectInvalid || t.Key == "") {
		err = errors.New("the key or the effect is missing")
	}
	if err != nil {
		return Taint{}, fmt.Errorf("%q is no taint: %w: write KEY=VALUE:EFFECT with the effect NoSchedule, PreferNoSchedule or NoExecute", text, err)
	}
	return t.Taint, nil
}

// Toleration lets a pod on nodes with a taint.
type Toleration struct {
	Taint       // an invalid effect stands for every effect, an empty key for every key
	exists bool // any value will do
}

// ParseToleration reads a toleration: like a taint, but the value, the effect and
// the key may be missing and then match all: "key=value:Effect", "key:Effect",
// "key=value", "key", ":Effect" or "*".
func ParseToleration(text string) (Toleration, error) {
	if text == "*" {
		return Toleration{exists: true}, nil
	}
	t, err := parseTainted(text)
	if err != nil {
		return Toleration{}, fmt.Errorf("%q is no toleration: %w: write KEY=VALUE:EFFECT, any of them may be missing, or * for all", text, err)
	}
	return t, nil
}

func parseTainted(text string) (Toleration, error) {
	pair, effect, hasEffect := strings.Cut(text, ":")
	key, value, hasValue := strings.Cut(pair, "=")
	t := Toleration{Taint: Taint{Key: key, Value: value}, exists: !hasValue}
	if hasEffect {
		i := slices.Index(effectWords[1:], effect)
		if i < 0 {
			return t, fmt.Errorf("%q is no effect", effect)
		}
		t.Effect = Effect(i + 1)
	}
	if key == "" && (hasValue || !hasEffect) || key != "" && !plain(key) || value != "" && !plain(value) {
		return t, fmt.Errorf("%q is no key and value", pair)
	}
	return t, nil
}

// tolerates is v1.Toleration.ToleratesTaint.
func (t Toleration) tolerates(taint Taint) bool {
	return (t.Effect == EffectInvalid || t.Effect == taint.Effect) &&
		(t.Key == "" || t.Key == taint.Key) && (t.exists || t.Value == taint.Value)
}

func tolerated(all []Toleration, taint Taint) bool {
	return slices.ContainsFunc(all, func(t Toleration) bool { return t.tolerates(taint) })
}
