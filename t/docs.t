# Every directive has its section in docs/directives.md with syntax, context and an example, and every section a directive; every
# link of the pages to a file or heading of this repository leads somewhere.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use File::Basename qw(dirname);
use ModSSL::Httpd qw(is_stock ours_only);
use ModSSL::PKI qw(slurp);

ours_only('the pages are about our module');

my $top = $ENV{MODSSL_TOP} || '.';
my @tree = -e "$top/tree" ? split(/\n/, slurp("$top/tree")) : split(/\n/, `git ls-files -co --exclude-standard`);
plan skip_all => 'no list of files' if !@tree;
my %exists = map { $_ => 1 } @tree;
for my $file (@tree) {    # directories, too
    my $dir = $file;
    $exists{$dir} = 1 while ($dir = dirname($dir)) ne '.';
}
my @pages = grep { /\.md$/ && -e "$top/$_" } @tree;
cmp_ok(scalar @pages, '>=', 4, 'there are pages: ' . join ' ', @pages);

# --- directives -----------------------------------------------------------------------------------

my ($rc, $list) = ModSSL::Httpd->new(minimal => 1)->run('-L');
my (%known, %gone);
while ($list =~ /^(<?\w+>?) \((?:mod_ssl\.c|[^)]*ssl_module)\)\n((?:\t.*\n)*)/mg) {
    my ($name, $about) = ($1, $2);
    $about =~ /no longer supported/ ? ($gone{$name} = 1) : ($known{$name} = 1);
}
cmp_ok(scalar keys %known, '>=', 71, 'directives of the module: ' . keys %known);

my $reference = slurp("$top/docs/directives.md");
my %section;
$section{$1} = $2 while $reference =~ /^### (<?SSL\w+>?)\n(.*?)(?=^##|\z)/msg;
for my $name (sort keys %known) {
    my $text = $section{ $name =~ /^</ ? "$name>" : $name };    # httpd -L leaves the end of a section's name out
    ok(defined $text, "docs/directives.md: $name") or next;
    like($text, qr/^Syntax: `\Q$name\E.*`  \nDefault: \S.*  \nContext: (?:whole server|server, virtual host|directory)/m, "... $name: syntax, default, context");
    like($text, qr/^    (?:.*\n {4,})*?\s*\Q$name\E\b/mi, "... $name: an example");
}
ok($known{s/>$//r}, "docs/directives.md has no section for what does not exist: $_") for sort keys %section;
for my $name (sort keys %gone) {
    like($reference, qr/^\| \Q$name\E \| \S.* \|$/m, "docs/directives.md: $name and what has taken its place");
}

# --- links ----------------------------------------------------------------------------------------

# The anchors of a page, as the web sites that show repositories make them.
sub anchors {
    my ($text) = @_;
    $text =~ s/^```.*?^```//msg;
    my %anchor;
    while ($text =~ /^#+ +(.*?) *$/mg) {
        my $name = lc $1;
        $name =~ s/\[([^\]]*)\]\([^)]*\)/$1/g;
        $name =~ s/[^\w\s-]//g;
        $name =~ s/\s/-/g;
        $anchor{$name} = 1;
    }
    return \%anchor;
}

my %anchors = map { $_ => anchors(slurp("$top/$_")) } @pages;
for my $page (@pages) {
    my $text = slurp("$top/$page");
    $text =~ s/`[^`\n]*`//g;
    my @broken;
    while ($text =~ /\]\(([^)\s]+)\)/g) {
        my $link = $1;
        next if $link =~ /^\w+:/;
        my ($path, $anchor) = split /#/, $link, 2;
        my $target = $path eq '' ? $page : dirname($page) eq '.' ? $path : dirname($page) . "/$path";
        1 while $target =~ s{(^|/)(?!\.\.)[^/]+/\.\.(?:/|$)}{$1};
        $target =~ s{/$}{};
        push @broken, $link if !$exists{$target} || (defined $anchor && $anchors{$target} && !$anchors{$target}{$anchor});
    }
    is_deeply(\@broken, [], "$page: every link resolves");
}
done_testing;
