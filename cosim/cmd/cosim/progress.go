package main

import (
	"sync"
	"time"

	"github.com/cheggaaa/pb/v3"
)

// progress shows how far a verb is: a bar on a terminal, else a log line now and
// then. It is safe for concurrent use.
type progress struct {
	app   *app
	what  string
	bar   *pb.ProgressBar
	mu    sync.Mutex
	done  int
	total int
	next  time.Time
}

// logEvery is how often a piped progress writes a line.
const logEvery = 5 * time.Second

func (a *app) progress(what string, total int) *progress {
	p := &progress{app: a, what: what, total: total, next: time.Now().Add(logEvery)}
	if a.terminal {
		p.bar = pb.New(total).SetWriter(a.err).Set("prefix", what+" ")
		p.bar.Start()
	}
	return p
}

func (p *progress) step() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	if p.bar != nil {
		p.bar.Increment()
		return
	}
	if now := time.Now(); now.After(p.next) {
		p.next = now.Add(logEvery)
		p.app.log.Info("progress", "what", p.what, "done", p.done, "of", p.total)
	}
}

func (p *progress) finish() {
	if p.bar != nil {
		p.bar.Finish()
	}
}
