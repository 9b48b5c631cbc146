package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed" // the page's parts
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"

	"microcosm/cosim/experiment"
)

var (
	//go:embed page.html.tmpl
	pageText string
	//go:embed page.css
	pageCSS string
	//go:embed sort.js
	sortScript string

	pageTemplate = template.Must(template.New("page").Parse(pageText))
)

// page is what the template shows.
type page struct {
	Policy, Scenario, Title, Subtitle string
	CSS                               template.CSS
	Script                            template.JS
	Factors, Answer, About            []string
	Sections                          []section

	Runs, Uncertainty, Effects, Requests *pageTable
	Forests, Distributions               []figure
	Timelines, Bars                      []figure
	Legend                               []legendEntry
	ConditionLegend                      []legendEntry
	NoEffect, Undrawn, Unbalanced, Notes []string
	UncertaintyNote                      string
	Matter                               []string
	Conditions, Functions, Nodes         []*pageTable
	Workflows, Steps, Starts             []*pageTable
	FunctionsCut, NodesCut               string
	Reasons                              []numbered
	Provenance, Glossary                 []entry
}

type section struct{ ID, Title string }

type legendEntry struct {
	Name   string
	Pen    template.CSS
	Colour string
}

type numbered struct {
	Number int
	Text   string
}

type entry struct {
	Term, Text string
	Code       bool
}

// HTML writes the result as one page that needs nothing else: no network, no
// other file. It works without script, which only sorts the tables by a click.
// Equal results give equal bytes.
func HTML(w io.Writer, r *experiment.Result) error {
	b := builder{result: r, runs: drawnRuns(r)}
	p := b.page()
	if err := errors.Join(b.mistakes...); err != nil {
		return fmt.Errorf("draw report: %w", err)
	}
	var text bytes.Buffer
	if err := pageTemplate.Execute(&text, p); err != nil {
		return fmt.Errorf("fill in report page: %w", err)
	}
	if _, err := w.Write(text.Bytes()); err != nil {
		return fmt.Errorf("write report page: %w", err)
	}
	return nil
}

// policy forbids the page to load anything and to run any script but its own.
func policy() string {
	sum := sha256.Sum256([]byte(sortScript))
	return "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// builder makes a page of a result.
type builder struct {
	result   *experiment.Result
	runs     []drawn
	reasons  reasons
	mistakes []error
}

func (b *builder) page() *page {
	r := b.result
	p := &page{
		Policy: policy(), Scenario: clean(r.Scenario), Title: clean(r.Name),
		CSS: template.CSS(pageCSS), Script: template.JS(sortScript), // constants
		Subtitle: subtitle(r), Answer: headline(r), Provenance: provenance(r), Glossary: glossary,
	}
	if p.Title == "" {
		p.Title = "Result of cosim"
	}
	for _, f := range r.Factors {
		p.Factors = append(p.Factors, factorLine(f))
	}
	for _, note := range r.Notes {
		p.Notes = append(p.Notes, clean(note))
	}
	b.runSection(p)
	b.effectSection(p)
	b.figureSections(p)
	b.marginalSections(p)
	for i, text := range b.reasons.list() {
		p.Reasons = append(p.Reasons, numbered{i + 1, text})
	}
	p.Sections = sections(p)
	for i := range p.Answer {
		p.Answer[i] = minus(p.Answer[i])
	}
	return p
}

func subtitle(r *experiment.Result) string {
	return strings.Join([]string{
		plural(len(r.Runs), "run"), plural(r.Replications, "replication"),
		confidence(r) + " confidence intervals", "seed " + strconv.FormatUint(r.Seed, 10),
	}, " · ")
}

// sections lists those the page has.
func sections(p *page) []section {
	var list []section
	add := func(there bool, id, title string) {
		if there {
			list = append(list, section{id, title})
		}
	}
	add(p.Runs != nil, "runs", "Runs")
	add(p.Uncertainty != nil, "uncertainty", "Uncertainty")
	add(p.Effects != nil, "effects", "Effects")
	add(p.Distributions != nil, "distributions", "Distributions")
	add(p.Timelines != nil, "time", "Over time")
	add(p.Workflows != nil, "workflows", "Workflows")
	add(p.Starts != nil, "starts", "Cold starts")
	add(p.Conditions != nil, "conditions", "Conditions")
	add(p.Functions != nil, "functions", "Functions")
	add(p.Nodes != nil, "nodes", "Nodes")
	add(p.Requests != nil, "requests", "Requests")
	add(p.Notes != nil || p.Reasons != nil, "notes", "Notes")
	add(true, "provenance", "Provenance")
	add(true, "glossary", "Glossary")
	return list
}

func (b *builder) runSection(p *page) {
	r := b.result
	if len(r.Runs) == 0 {
		return
	}
	if terminating(r) {
		p.About = append(p.About, terminatingNote)
	}
	if s := methodsSentence(r); s != "" {
		p.About = append(p.About, s)
	}
	p.Runs = b.table(runsTable(r, true), "Runs", false)
	if isSplit(r) {
		p.Uncertainty = b.table(uncertaintyTable(r, true), "Where the uncertainty comes from", false)
		p.UncertaintyNote, p.Matter = uncertaintyNote, matterSentences(r)
	}
	p.Requests = b.table(requestsTable(r), "Requests", false)
	for i := range r.Runs {
		if err := r.Runs[i].Account.Balance(); err != nil {
			p.Unbalanced = append(p.Unbalanced, clean(r.Runs[i].Name)+": "+err.Error())
		}
	}
}

// maxForest is how many effects a figure shows; the table has all.
const maxForest = 24

func (b *builder) effectSection(p *page) {
	if len(b.result.Effects) == 0 {
		return
	}
	p.Effects = b.table(effectsTable(b.result, true), "Effects", false)
	var names []string
	byMetric := map[string][]experiment.Effect{}
	for _, e := range b.result.Effects {
		if byMetric[e.Metric] == nil {
			names = append(names, e.Metric)
		}
		byMetric[e.Metric] = append(byMetric[e.Metric], e)
	}
	for _, name := range names {
		list := byMetric[name]
		if nothing(list) {
			p.NoEffect = append(p.NoEffect, "On "+label(name)+" every difference is exactly 0 in every replication.")
			continue
		}
		f, err := forest(list[:min(maxForest, len(list))])
		if len(list) > maxForest {
			f.Caption += fmt.Sprintf(" (%d of %d)", maxForest, len(list))
		}
		p.Forests = b.add(p.Forests, f, true, err)
	}
}

func (b *builder) figureSections(p *page) {
	for _, name := range times {
		f, ok, err := cumulative(b.runs, name, false)
		p.Distributions = b.add(p.Distributions, f, ok, err)
		if name == "response" {
			f, ok, err = cumulative(b.runs, name, true)
			p.Distributions = b.add(p.Distributions, f, ok, err)
		}
	}
	for _, q := range quantities {
		f, ok, err := timeline(b.runs, q)
		p.Timelines = b.add(p.Timelines, f, ok, err)
	}
	for _, d := range b.runs {
		p.Legend = append(p.Legend, legendEntry{Name: d.name, Pen: d.pen.CSS()})
		if d.run.Unstable != "" {
			p.Undrawn = append(p.Undrawn, "Run "+d.name+" is unstable: it has no distribution to draw.")
		}
	}
	if rest := len(b.result.Runs) - len(b.runs); rest > 0 {
		p.Undrawn = append(p.Undrawn, fmt.Sprintf("Figures show the first %d runs; the tables show all %d.", len(b.runs), len(b.result.Runs)))
	}
}

func (b *builder) add(list []figure, f figure, ok bool, err error) []figure {
	if err != nil {
		b.mistakes = append(b.mistakes, err)
	}
	if err != nil || !ok {
		return list
	}
	return append(list, f)
}
