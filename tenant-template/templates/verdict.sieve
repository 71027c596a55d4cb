require "fileinto";
# Written by the inbound relay, which removes whatever a sender put there.
if header :is "X-Melouvert-Verdict" "junk" {
  fileinto "Junk";
}
