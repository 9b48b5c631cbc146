package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"microcosm/cosim/experiment"
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
	"microcosm/results"
	"microcosm/results/samplefile"
)

// manifestSchema names the layout of a manifest.
const manifestSchema = "microcosm.manifest/1"

// manifest is what a byte-identical rerun needs: the scenario with every default
// filled in, the samples that answered, and the digest of the result. A trace
// stays where it is; the scenario's digest covers its content.
type manifest struct {
	Schema   string              `json:"schema"`
	Build    about               `json:"build"`
	Folder   string              `json:"folder"` // of the scenario, relative to the manifest
	Name     string              `json:"name"`   // of the scenario's file
	Scenario string              `json:"scenario"`
	Identity string              `json:"identity"`
	Labels   map[string]string   `json:"labels"`  // request → what answered
	Samples  map[string]string   `json:"samples"` // text files of samples, by name
	Set      string              `json:"set"`     // digest of the set of these samples; empty without
	Notes    map[string][]string `json:"notes"`   // request → what a reader must know
	Result   string              `json:"result"`  // SHA-256 of the result's JSON
}

func isManifest(path string) bool { return strings.HasSuffix(path, ".json") }

func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// writeManifest writes the manifest of a run. A file that is no manifest is not
// overwritten.
func writeManifest(path, scenarioFolder string, s *scenario.Scenario, sources *sources, result []byte) error {
	if _, err := readManifest(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return foreignManifest(path)
	}
	identity, err := s.Identity()
	if err != nil {
		return err
	}
	folder, err := relative(filepath.Dir(path), scenarioFolder)
	if err != nil {
		return fmt.Errorf("scenario's folder seen from %s: %w", path, err)
	}
	m := manifest{
		Schema: manifestSchema, Build: thisBuild(), Folder: folder, Name: s.Name + ".yaml", Scenario: string(s.Canonical()), Identity: identity,
		Labels: map[string]string{}, Samples: map[string]string{}, Notes: map[string][]string{}, Result: digestOf(result),
	}
	if answers := sources.answers(); len(answers) > 0 {
		m.Set = results.SetDigest(answers)
	}
	for _, source := range sources.opened {
		for request, selected := range source.Answers() {
			m.Labels[requestName(request)] = selected.Label
			m.Notes[requestName(request)] = lawNotes(request, selected)
		}
	}
	for _, file := range samplefile.Split(sources.answers()) {
		var text bytes.Buffer
		if err := samplefile.WriteText(&text, file.Samples); err != nil {
			return err
		}
		m.Samples[file.Name] = text.String()
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode manifest: %w", err)
	}
	if err := renameio.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return nil
}

func foreignManifest(path string) error {
	return fmt.Errorf("%s exists and is no manifest; it is left alone: name another file", path)
}

// relative returns target as seen from base, both relative to the working folder
// or absolute.
func relative(base, target string) (string, error) {
	base, err := filepath.Abs(base)
	if err != nil {
		return "", err
	}
	if target, err = filepath.Abs(target); err != nil {
		return "", err
	}
	return filepath.Rel(base, target)
}

func requestName(r servicetime.Request) string {
	return r.Function + "/" + r.Input + " on " + r.Platform
}

func readManifest(path string) (*manifest, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil || m.Schema != manifestSchema || m.Name == "" || m.Scenario == "" || m.Result == "" {
		return nil, usage("%s is no manifest that this version reads (schema %q): write one with cosim run --manifest", path, manifestSchema)
	}
	return &m, nil
}

// rerun repeats the run of a manifest and compares the results byte by byte.
func (a *app) rerun(c *cobra.Command, path string, o runOptions) error {
	ctx := c.Context()
	var mistakes []error
	for _, flag := range []string{"set", "seed", "replications", "iat", "manifest", "precision", "budget", "plan", "backend", "functions-dir"} {
		if c.Flags().Changed(flag) {
			mistakes = append(mistakes, usage("a manifest is repeated as it is, without --%s: run the scenario instead", flag))
		}
	}
	if err := errors.Join(mistakes...); err != nil {
		return err
	}
	m, err := readManifest(path)
	if err != nil {
		return err
	}
	s, err := scenario.Parse(filepath.Join(filepath.Dir(path), m.Folder, m.Name), []byte(m.Scenario))
	if err != nil {
		return err
	}
	identity, err := s.Identity()
	if err != nil {
		return err
	}
	if identity != m.Identity {
		return fmt.Errorf("the scenario of %s is not the one that ran (%.12s, not %.12s): it was altered, or a trace that it names has changed", path, identity, m.Identity)
	}
	if err := o.checkOutputs(s); err != nil {
		return err
	}
	held, err := m.source()
	if err != nil {
		return err
	}
	progress := a.progress("replications", experiment.Replications(s))
	result, err := experiment.Simulate(ctx, s, experiment.Options{Open: held.open, Slots: s.Execution.Slots, Step: progress.step})
	progress.finish()
	if err != nil {
		return err
	}
	text, err := result.JSON()
	if err != nil {
		return err
	}
	if err := a.print(result, text, o); err != nil {
		return err
	}
	if digest := digestOf(text); digest != m.Result {
		return fmt.Errorf("the result differs from the manifest's (%.12s, not %.12s): it was written by %s %s, this is %s", digest, m.Result, m.Build.Version, m.Build.Revision, thisBuild().Version)
	}
	fmt.Fprintf(a.err, "byte-identical to the run of %s\n", path)
	return nil
}

// held answers from the samples of a manifest.
type held struct {
	manifest *manifest
	samples  map[servicetime.Request]map[servicetime.Condition][]servicetime.Sample
}

func (m *manifest) source() (*held, error) {
	h := &held{manifest: m, samples: map[servicetime.Request]map[servicetime.Condition][]servicetime.Sample{}}
	var all []servicetime.Sample
	for _, name := range slices.Sorted(maps.Keys(m.Samples)) {
		samples, err := samplefile.ReadText(name, []byte(m.Samples[name]))
		if err != nil {
			return nil, err
		}
		all = append(all, samples...)
		for _, sample := range samples {
			request := servicetime.Request{Function: sample.Key.Function, Input: sample.Key.Input, Platform: sample.Key.Platform}
			if h.samples[request] == nil {
				h.samples[request] = map[servicetime.Condition][]servicetime.Sample{}
			}
			h.samples[request][sample.Key.Condition] = append(h.samples[request][sample.Key.Condition], sample)
		}
	}
	if m.Set != "" && results.SetDigest(all) != m.Set {
		return nil, errors.New("the samples in the manifest are not those that it was written with: it was altered; take it from where it came from again")
	}
	return h, nil
}

func (h *held) open(_ context.Context, s *scenario.Scenario) (experiment.Measured, error) {
	options, err := experiment.LawOptions(s)
	return &heldSource{held: h, options: options, asked: map[servicetime.Request]bool{}}, err
}

// heldSource is held under the fidelity of one combination of levels.
type heldSource struct {
	*held
	options servicetime.LawOptions
	asked   map[servicetime.Request]bool
}

// Law implements servicetime.Source. It is asked by one goroutine at a time.
func (h *heldSource) Law(_ context.Context, r servicetime.Request) (servicetime.Law, error) {
	var measured []servicetime.Measured
	for condition, samples := range h.samples[r] {
		measured = append(measured, servicetime.Measured{Condition: condition, Samples: samples})
	}
	slices.SortFunc(measured, func(x, y servicetime.Measured) int { return samplefile.CompareConditions(x.Condition, y.Condition) })
	if len(measured) == 0 {
		return nil, fmt.Errorf("the manifest holds no samples of %s", requestName(r))
	}
	h.asked[r] = true
	options := h.options
	options.Request = r
	return servicetime.NewLaw(measured, options)
}

// Labels implements experiment.Measured.
func (h *heldSource) Labels() []string {
	var labels []string
	for r := range h.asked {
		labels = append(labels, h.manifest.Labels[requestName(r)])
	}
	slices.Sort(labels)
	return slices.Compact(labels)
}

// Notes implements experiment.Measured.
func (h *heldSource) Notes() []string {
	var notes []string
	for r := range h.asked {
		notes = append(notes, h.manifest.Notes[requestName(r)]...)
	}
	slices.Sort(notes)
	return notes
}
