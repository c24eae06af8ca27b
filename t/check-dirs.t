# Directories of CAs and revocation lists: what OpenSSL never finds there, for want of a hash link or of permission, is
# warned of at start, with the command that helps; a directory in order is not.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(ours_only);
use ModSSL::PKI qw(pki_file pki_dir openssl slurp spew);

ours_only('the stock module says nothing of these');

my $pki = pki_dir();
my $h = ModSSL::Httpd->new(name => 'check-dirs');
my $n = 0;

sub hash_of { my ($what, $old) = @_; my ($hash) = openssl(($what =~ /crl$/ ? ('crl', '-hash' . ($old ? '_old' : '')) : ('x509', '-subject_hash' . ($old ? '_old' : ''))), '-noout', '-in', pki_file($what)) =~ /^([0-9a-f]{8})$/m; return $hash }

my %HASH = map { $_ => hash_of($_) } qw(ca.crt ca2.crt inter.crt ca.crl inter.crl);
my %OLD  = map { $_ => hash_of($_, 1) } qw(ca.crt ca.crl);

# A directory with files ("name" => text) and links ("name" => \"target").
sub directory {
    my (%entries) = @_;
    my $dir = $h->root . '/dir' . ++$n;
    mkdir $dir or die;
    for my $name (sort keys %entries) {
        my $what = $entries{$name};
        ref $what ? symlink($$what, "$dir/$name") : spew("$dir/$name", $what);
    }
    return $dir;
}
my ($ca, $ca2, $inter, $ca_crl, $inter_crl) = map { slurp(pki_file($_)) } qw(ca.crt ca2.crt inter.crt ca.crl inter.crl);
my $SHUT = $> ? 0600 : 0700;    # of root the children are another user

# name, directive, directory, lines that must appear (and no others), [file or directory and its mode]
my @cases = (
    ['made by rehash', 'SSLCACertificatePath', "$pki/ca-dir", []],
    ['lists made by rehash', 'SSLCARevocationPath', "$pki/crl-dir", []],
    ['other files, other kinds', 'SSLCACertificatePath',
        directory('ca.pem' => $ca, "$HASH{'ca.crt'}.0" => \'ca.pem', README => "read me\n", "$HASH{'ca.crl'}.r0" => $ca_crl, 'x.key' => slurp(pki_file('rsa.key'))), []],
    ['files named by hash, no links', 'SSLCACertificatePath', directory("$HASH{'ca.crt'}.0" => $ca), []],
    ['copies', 'SSLCACertificatePath', directory('ca.pem' => $ca, "$HASH{'ca.crt'}.0" => $ca), []],
    ['two of one name', 'SSLCACertificatePath', directory("$HASH{'ca.crt'}.0" => $ca, "$HASH{'ca.crt'}.1" => $ca), []],

    ['no link at all', 'SSLCACertificatePath', directory('ca.pem' => $ca),
        [qr/warn\].*: SSLCACertificatePath '\@dir\@': ca\.pem: no hash link points here.*; run: openssl rehash \@dir\@$/]],
    ['one forgotten', 'SSLCACertificatePath', directory('ca.pem' => $ca, 'new.crt' => $ca2, "$HASH{'ca.crt'}.0" => \'ca.pem'),
        [qr/: new\.crt: no hash link/]],
    ['many forgotten', 'SSLCACertificatePath', directory(map { ("f$_.pem" => $ca) } 1 .. 6), [qr/: f1\.pem, f2\.pem, f3\.pem and 3 more: no hash link/]],
    ['the old hash', 'SSLCACertificatePath', directory('ca.pem' => $ca, "$OLD{'ca.crt'}.0" => \'ca.pem'),
        [qr/: $OLD{'ca.crt'}\.0 \(now $HASH{'ca.crt'}\): named by the hash of OpenSSL before 1\.0.*openssl rehash/, qr/: ca\.pem: no hash link/]],
    ['the hash of something else', 'SSLCACertificatePath', directory('ca.pem' => $ca, "$HASH{'ca.crt'}.0" => \'ca.pem', '12345678.0' => \'ca.pem'),
        [qr/: 12345678\.0: the name is not the hash/]],
    ['a gap', 'SSLCACertificatePath', directory("$HASH{'ca.crt'}.1" => $ca), [qr/: $HASH{'ca.crt'}\.1 \(there is no $HASH{'ca.crt'}\.0\): OpenSSL does not look beyond/]],
    ['a link that leads nowhere', 'SSLCARevocationPath', directory('12345678.r0' => \'nowhere', "$HASH{'ca.crl'}.r0" => $ca_crl),
        [qr/warn\].*: 12345678\.r0: the link leads nowhere/]],
    ['a CA beside a link that leads nowhere', 'SSLCACertificatePath', directory('12345678.0' => \'nowhere', "$HASH{'ca.crt'}.0" => $ca),
        [qr/warn\].*: 12345678\.0: the link leads nowhere/]],
    ['names of CAs need no links', 'SSLCADNRequestPath', directory('ca.pem' => $ca, 'ca2.pem' => $ca2), []],
    ['names of CAs, and a link that leads nowhere', 'SSLCADNRequestPath', directory('ca.pem' => $ca, "$HASH{'ca.crt'}.0" => \'gone'),
        [qr/SSLCADNRequestPath '\@dir\@': $HASH{'ca.crt'}\.0: the link leads nowhere/]],
    ['lists without links', 'SSLCARevocationPath', directory('ca.crl' => $ca_crl), [qr/SSLCARevocationPath '\@dir\@': ca\.crl: no hash link/]],
    ['lists with links of certificates', 'SSLCARevocationPath', directory('ca.crl' => $ca_crl, "$HASH{'ca.crt'}.0" => \'ca.crl'), [qr/: ca\.crl: no hash link/]],
    ['lists with the old hash', 'SSLCARevocationPath', directory("$OLD{'ca.crl'}.r0" => $ca_crl), [qr/before 1\.0/]],
    ['a directory that children cannot enter', 'SSLCARevocationPath', directory("$HASH{'ca.crl'}.r0" => $ca_crl),
        [qr/warn\].*: SSLCARevocationPath '\@dir\@' is read while connections are served, but the directory '\@dir\@' \(mode 0\d00, .*\) cannot be passed/], ['', $SHUT]],
    ['one above it', 'SSLCARevocationPath', directory() . '/below', [qr{warn\].*, but the directory '\@above\@' \(mode 0\d00}], ['..', $SHUT]],
    ['a file that children cannot read', 'SSLCARevocationPath', directory("$HASH{'ca.crl'}.r0" => $ca_crl),
        [qr/warn\].*: $HASH{'ca.crl'}\.r0 \(the file '\S+' \(mode 0\d00, .*\) cannot be read by user '\S+'\).*chmod a\+r/], ["$HASH{'ca.crl'}.r0", $> ? 0200 : 0600]],
);

for (@cases) {
    my ($name, $directive, $dir, $expected, $mode) = @$_;
    subtest $name => sub {
        plan skip_all => 'only root can start with such a directory' if $> && $mode && $mode->[0] ne '';
        if ($dir =~ m{/below$}) {
            mkdir $dir;
            spew("$dir/$HASH{'ca.crl'}.r0", $ca_crl);
        }
        my $crl = $directive =~ /Revocation/ ? "SSLCARevocationCheck leaf\nSSLCACertificateFile $pki/ca.crt" : '';
        $h->config(<<"CONF");
<VirtualHost *:\@port:https\@>
    ServerName rsa.test
    SSLEngine on
    SSLCertificateFile    $pki/rsa.crt
    SSLCertificateKeyFile $pki/rsa.key
    $directive $dir
    SSLVerifyClient optional
    $crl
</VirtualHost>
<VirtualHost *:\@port:https\@>
    ServerName localhost
    SSLEngine on
    SSLCertificateFile    $pki/rsa.crt
    SSLCertificateKeyFile $pki/rsa.key
    $directive $dir
    $crl
</VirtualHost>
CONF
        chmod $mode->[1], $mode->[0] ? "$dir/$mode->[0]" : $dir if $mode;
        $h->log_mark;
        ok($h->start, 'starts') or diag $h->why;
        my @lines = grep { /\[ssl:/ && /SSLCA\w+Path '/ } split /\n/, $h->errorlog;
        is(scalar @lines, scalar @$expected, 'as many lines as there should be') or diag(join "\n", @lines);
        (my $above = $dir) =~ s{/[^/]*$}{};
        for my $pattern (@$expected) {
            (my $exact = "$pattern") =~ s/\\?\@(dir|above)\\?\@/quotemeta($1 eq 'dir' ? $dir : $above)/ge;
            is(scalar(grep { /$exact/ } @lines), 1, "one line is like $exact") or diag(join "\n", @lines);
        }
        like($_, qr/rsa\.test:\d+|localhost:\d+/, 'names a virtual host') for @lines;
        $h->stop;
        chmod 0755, $dir, $above if $mode;
    };
}
# A file on whose way a directory is shut: the message names the directory, not only the file.
SKIP: {
    skip 'root can pass everywhere', 3 if $> == 0;
    my $top = directory();
    mkdir "$top/$_" for 'shut', 'shut/below';
    spew("$top/shut/below/rsa.crt", slurp("$pki/rsa.crt"));
    for (['certificate', 'SSLCertificateFile'], ['CAs', 'SSLCACertificateFile'], ['chain', 'SSLCertificateChainFile']) {
        my ($name, $directive) = @$_;
        $h->config("$directive $top/shut/below/rsa.crt\n");
        chmod 0600, "$top/shut";
        my ($status, $out) = $h->configtest;
        chmod 0755, "$top/shut";
        like($out, qr{$directive: cannot use '\Q$top\E/shut/below/rsa\.crt': Permission denied: the directory '\Q$top\E/shut' cannot be passed}, "on the way to $name");
    }
}
done_testing;
