// Package azure keeps objects as block blobs in one container of an Azure Storage
// account: the store of one region.
//
// Create is one Put Blob with If-None-Match: * and Content-MD5, which the service checks
// against what arrived. Larger bodies are staged as blocks and made visible by one
// conditional commit; block ids contain the block's SHA-256, so two writers who stage
// blocks under one name can never commit a mixture. When the name is taken, what is
// there is compared with the body: the same is success, which also resolves answers
// that were lost.
//
// Authentication is Entra ID; an account key or a SAS is accepted for emulators and
// special cases, never in a URL, and never shown in an error.
//
// Requests are retried by azcore's policy and not by a general HTTP one (such as
// go-retryablehttp), because it signs each try anew, rewinds bodies, knows the storage
// service's Retry-After headers and its retryable codes, and is what azblob is tested
// with. It bridges some seconds. For longer outages, and against reads that hang, wrap
// the store in package retry.
//
// It refuses accounts with a hierarchical namespace as soon as a list shows their
// different order, and it never lists, reads or writes outside its prefix.
package azure
