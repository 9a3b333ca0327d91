package incident

import (
	"regexp"
	"slices"
	"strings"
)

// PersonalDatum is something in a text that looks like data about a person.
type PersonalDatum struct {
	What string // "email address", "NHS number", …
	Text string
}

// The patterns err on the side of finding too much: a message can say the same without.
var (
	emailPattern = regexp.MustCompile(`[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}`)
	// An NHS number has ten digits, the last a check digit modulo 11, often as 3-3-4.
	nhsPattern   = regexp.MustCompile(`\b\d{3}[ -]?\d{3}[ -]?\d{4}\b`)
	phonePattern = regexp.MustCompile(`(?:\+\d{1,3}|\b0)[ ().-]*\d(?:[ ().-]*\d){7,11}\b`)
	// A national insurance number: two letters, six digits, one letter of A to D.
	insurancePattern = regexp.MustCompile(`(?i)\b[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b`)
	birthPattern     = regexp.MustCompile(`(?i)\b(?:dob|d\.o\.b\.?|born(?: on)?|date of birth)\W{0,3}\d{1,4}[ ./-]\w{1,9}[ ./-]\d{1,4}\b`)
	hospitalPattern  = regexp.MustCompile(`(?i)\b(?:patient|hospital|mrn)\s*(?:no\.?|number|id|#)?\s*[:#]?\s*[A-Z]{0,3}\d{4,}\b`)
)

// PersonalData finds what looks like data about a person, in the order of the text's kinds.
// What is equal to an allowed text (the company's own support address, say) is left out.
func PersonalData(text string, allowed ...string) []PersonalDatum {
	var found []PersonalDatum
	look := func(what string, pattern *regexp.Regexp, also func(string) bool) {
		for _, hit := range pattern.FindAllString(text, -1) {
			hit = strings.TrimSpace(hit)
			if also(hit) && !slices.Contains(allowed, hit) {
				found = append(found, PersonalDatum{What: what, Text: hit})
			}
		}
	}
	any := func(string) bool { return true }
	look("email address", emailPattern, any)
	look("NHS number", nhsPattern, validNHS)
	look("telephone number", phonePattern, any)
	look("national insurance number", insurancePattern, any)
	look("date of birth", birthPattern, any)
	look("patient identifier", hospitalPattern, any)
	return found
}

// validNHS checks the check digit: weights 10 down to 2, 11 minus the rest of the sum
// modulo 11 (NHS Data Dictionary, "NHS number").
func validNHS(text string) bool {
	sum, n, last := 0, 0, 0
	for _, c := range text {
		if c < '0' || c > '9' {
			continue
		}
		last = int(c - '0')
		if n < 9 {
			sum += last * (10 - n)
		}
		n++
	}
	check := (11 - sum%11) % 11
	return n == 10 && check == last
}
