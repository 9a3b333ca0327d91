package clustertest

import (
	"bytes"
	"net/http"
	"os"
	"sync"
)

// logFile is what a pod has written.
type logFile struct {
	mu    sync.Mutex
	more  *sync.Cond
	text  []byte
	ended bool
}

func newLog() *logFile {
	l := &logFile{}
	l.more = sync.NewCond(&l.mu)
	return l
}

// Write implements io.Writer.
func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, b...)
	l.more.Broadcast()
	return len(b), nil
}

func (l *logFile) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.more.Broadcast()
}

// after returns what was written after so many bytes, waiting for it; nothing: it ended.
func (l *logFile) after(n int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.text) == n && !l.ended {
		l.more.Wait()
	}
	return bytes.Clone(l.text[n:])
}

func (l *logFile) last(n int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.text[max(0, len(l.text)-n):])
}

// handler is the part of a kubelet's interface that the API server asks for logs.
func (k *Kubelet) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", func(w http.ResponseWriter, q *http.Request) {
		log := k.log(q.PathValue("pod"))
		if log == nil {
			http.NotFound(w, q)
			return
		}
		flush := http.NewResponseController(w)
		for n := 0; ; {
			text := log.after(n)
			if len(text) == 0 {
				return
			}
			n += len(text)
			if _, err := w.Write(text); err != nil || flush.Flush() != nil {
				return
			}
		}
	})
	return mux
}

// fatal passes a log on and kills its process when its time has come.
type fatal struct {
	log   *logFile
	at    string
	mu    sync.Mutex
	armed bool
	of    *os.Process
	tail  []byte
}

func (f *fatal) set(p *os.Process) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of = p
	f.strike()
}

// Write implements io.Writer.
func (f *fatal) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tail = append(f.tail, b...)
	f.strike()
	return f.log.Write(b)
}

func (f *fatal) strike() {
	if f.armed && f.of != nil && bytes.Contains(f.tail, []byte(f.at)) {
		f.armed = false
		_ = f.of.Kill() // it may have ended by itself
	}
}
