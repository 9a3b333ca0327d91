// Package webui is the read-only status page: how ready the DR region is, the history of
// that, the incidents, and what is due.
//
// It owns the pages and how they are served. There is nothing to build and nothing to load
// from elsewhere; it works without JavaScript, in light and dark, at any width, and with a
// screen reader. It refuses every method but GET and HEAD, and every Host that it was not
// told of, so that a page elsewhere cannot read it through the reader's browser (DNS
// rebinding).
//
// It shows no secret and no typed text but the titles of incidents, which are checked for
// personal data when they are written: who may open the page may not therefore read the
// record. It has no authentication of its own; docs/incident.md says what to put in front.
//
// The stores are asked through [Source], at most once in Config.Fresh however many readers
// there are.
package webui
