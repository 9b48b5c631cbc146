package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"time"

	"microcosm/cosim/experiment"
)

// aboutSchema names the layout of about.json.
const aboutSchema = "microcosm.about/1"

// RunRecord says when, where and how a result was made: all that is not part of
// its identity and so not in result.json. The caller fills in what it knows.
type RunRecord struct {
	Command   []string      // the command line, the program first
	Version   string        // of cosim
	Toolchain string        // e.g. "go1.26.8"
	Host      string        // name of the machine
	System    string        // e.g. "linux/amd64"
	CPU       string        // model of its processor
	Cores     int           // that the run could use
	Started   time.Time     // begin of the run
	Wall      time.Duration // from begin to end
	CPUTime   time.Duration // of all cores
}

// wireRecord is the JSON form: durations in seconds, nothing that is not known.
type wireRecord struct {
	Command   []string   `json:"command,omitempty"`
	Version   string     `json:"version,omitempty"`
	Toolchain string     `json:"toolchain,omitempty"`
	Host      string     `json:"host,omitempty"`
	System    string     `json:"system,omitempty"`
	CPU       string     `json:"cpu,omitempty"`
	Cores     int        `json:"cores,omitempty"`
	Started   *time.Time `json:"started,omitempty"`
	Wall      float64    `json:"wall_s,omitempty"`
	CPUTime   float64    `json:"cpu_s,omitempty"`
}

// about is about.json.
type about struct {
	Schema   string            `json:"schema"`
	Scenario string            `json:"scenario"`
	Run      wireRecord        `json:"run"`
	Files    map[string]string `json:"files"` // digests of what Write wrote, by name
}

// newAbout describes files that replace those of an earlier Write. Of the
// earlier ones, those that are not written again stay on record.
func newAbout(r *experiment.Result, run RunRecord, texts map[string][]byte, earlier *about) *about {
	a := &about{Schema: aboutSchema, Scenario: r.Scenario, Files: map[string]string{}, Run: wireRecord{
		Command: run.Command, Version: run.Version, Toolchain: run.Toolchain, Host: run.Host, System: run.System,
		CPU: run.CPU, Cores: run.Cores, Wall: run.Wall.Seconds(), CPUTime: run.CPUTime.Seconds(),
	}}
	if !run.Started.IsZero() {
		a.Run.Started = &run.Started
	}
	if earlier != nil {
		maps.Copy(a.Files, earlier.Files)
	}
	for name, text := range texts {
		a.Files[name] = digest(text)
	}
	return a
}

func (a *about) encode() ([]byte, error) {
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", aboutFile, err)
	}
	return append(text, '\n'), nil
}

// readAbout returns nil where the file is missing or not one that Write wrote.
func readAbout(path string) *about {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var a about
	if json.Unmarshal(text, &a) != nil || a.Schema != aboutSchema {
		return nil
	}
	return &a
}
