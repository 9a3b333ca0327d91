package eventlog

import "context"

// signal wakes those who wait for one kind of event, all at once. Guarded by Writer.mu.
type signal struct {
	raised chan struct{} // closed by all; nil while nobody waits
}

func (s *signal) all() {
	if s.raised != nil {
		close(s.raised)
		s.raised = nil
	}
}

// wait lets go of the lock until the signal is raised.
func (w *Writer) wait(ctx context.Context, s *signal) error {
	if s.raised == nil {
		s.raised = make(chan struct{})
	}
	raised := s.raised
	w.mu.Unlock()
	defer w.mu.Lock()
	select {
	case <-raised:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
