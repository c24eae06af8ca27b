# The certificate that a backend asks for: where it comes from, which of several is sent, and what happens when none fits.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Backend qw(front via need bundled);
use ModSSL::Httpd qw(is_stock);
use ModSSL::PKI qw(pki_file slurp spew);

need('nginx');
my $dir = ($ENV{MODSSL_WORK} || '/tmp') . "/proxy-clientcert.$$";
mkdir $dir;
my $pem = sub { spew("$dir/$_[0].pem", map { slurp(pki_file("$_.pem")) } @{ $_[1] }); "$dir/$_[0].pem" };
my %file = (
    proxy => $pem->('proxy', ['proxy']), inter => $pem->('inter', ['client-inter']), foreign => $pem->('foreign', ['client2']),
    two => $pem->('two', ['proxy', 'client2']), owt => $pem->('owt', ['client2', 'proxy']), three => $pem->('three', ['client2', 'client-inter', 'proxy']),
    expired => $pem->('expired', ['client-expired']), ec => $pem->('ec', ['client-ec']),
);
mkdir "$dir/certs";
spew("$dir/certs/$_->[0].pem", slurp(pki_file("$_->[1].pem"))) for ['1', 'client2'], ['2', 'proxy'];
spew("$dir/chain.pem", bundled('inter', 'ca'));

spew("$dir/eldnub.crt", bundled('ca2', 'ca'));

my $ask = sub { "ssl_verify_client $_[0]; ssl_client_certificate \@pki\@/$_[1].crt; ssl_verify_depth 3;" =~ s/\@pki\@/ModSSL::PKI::pki_dir()/er };
my %servers = (
    plain    => { cert => 'rsa' },
    ca       => { cert => 'rsa', more => $ask->('on', 'ca') },
    ca2      => { cert => 'rsa', more => $ask->('on', 'ca2') },
    bundle   => { cert => 'rsa', more => $ask->('on', 'bundle') },
    eldnub   => { cert => 'rsa', more => "ssl_verify_client on; ssl_client_certificate $dir/eldnub.crt;" },
    optional => { cert => 'rsa', more => $ask->('optional', 'ca') },
    anyca    => { cert => 'rsa', more => 'ssl_verify_client optional_no_ca;' },
);
$servers{"${_}12"} = { %{ $servers{$_} }, more => ($servers{$_}{more} || '') . ' ssl_protocols TLSv1.2;' } for qw(ca ca2 anyca bundle eldnub);
my $backend = ModSSL::Backend->nginx(%servers);

my $cert = sub { "SSLProxyMachineCertificateFile $file{$_[0]}" };
# [directives, backend, status (400: nginx says that it wants one), CN that the backend sees]
my @CASES = (
    ['',                 'plain',    200, ''],
    [$cert->('proxy'),   'plain',    200, ''],
    ['',                 'ca',       400, ''],
    ['',                 'optional', 200, ''],
    [$cert->('proxy'),   'ca',       200, 'proxy.test'],
    [$cert->('proxy'),   'ca12',     200, 'proxy.test'],
    [$cert->('proxy'),   'optional', 200, 'proxy.test'],
    [$cert->('proxy'),   'anyca',    200, 'proxy.test'],
    [$cert->('proxy'),   'ca2',      400, ''],
    [$cert->('proxy'),   'ca212',    400, ''],
    [$cert->('foreign'), 'ca',       400, ''],
    [$cert->('foreign'), 'optional', 200, ''],
    [$cert->('two'),     'ca',       200, 'proxy.test'],
    [$cert->('two'),     'ca2',      200, 'Foreign Client'],
    [$cert->('two'),     'ca212',    200, 'Foreign Client'],
    [$cert->('owt'),     'ca',       200, 'proxy.test'],
    [$cert->('owt'),     'ca2',      200, 'Foreign Client'],
    # no list: the first. Several in the list: the list's order counts, not that of the certificates.
    [$cert->('two'),     'anyca',    200, 'proxy.test'],
    [$cert->('owt'),     'anyca',    200, 'Foreign Client'],
    [$cert->('owt'),     'anyca12',  200, 'Foreign Client'],
    [$cert->('two'),     'bundle',   200, 'proxy.test'],
    [$cert->('owt'),     'bundle',   200, 'proxy.test'],
    [$cert->('two'),     'eldnub',   200, 'Foreign Client'],
    [$cert->('owt'),     'eldnub12', 200, 'Foreign Client'],
    [$cert->('two'),     'eldnub12', 200, 'Foreign Client'],
    [$cert->('three'),   'ca',       200, 'proxy.test'],
    [$cert->('ec'),      'ca',       200, 'EC Client'],
    [$cert->('expired'), 'ca',       400, 'Expired Client'],
    # by an intermediate CA: only with the chain does it fit, and is the chain sent
    [$cert->('inter'),   'ca',       400, ''],
    [$cert->('inter') . "\nSSLProxyMachineCertificateChainFile $dir/chain.pem", 'ca', 200, 'Inter Client'],
    [$cert->('inter') . "\nSSLProxyMachineCertificateChainFile $dir/chain.pem", 'ca12', 200, 'Inter Client'],
    [$cert->('three') . "\nSSLProxyMachineCertificateChainFile $dir/chain.pem", 'ca', 200, 'Inter Client'],
    ["SSLProxyMachineCertificatePath $dir/certs", 'ca',  200, 'proxy.test'],
    ["SSLProxyMachineCertificatePath $dir/certs", 'ca2', 200, 'Foreign Client'],
    ["SSLProxyMachineCertificatePath $dir/certs\n" . $cert->('ec'), 'ca', 200, 'EC Client'],
);
my %hosts = map { ("h$_" => "$CASES[$_][0]\nProxyPass / https://localhost:" . $backend->port($CASES[$_][1]) . "/ retry=0\n") } 0 .. $#CASES;
my $h = front(hosts => \%hosts);
$h->start or die $h->why;
for my $n (0 .. $#CASES) {
    my ($directives, $name, $status, $cn) = @{ $CASES[$n] };
    my $r = via($h, "h$n");
    my $label = ($directives =~ s/\S*proxy-clientcert.\d+\///gr =~ tr/\n/,/r || 'no certificate') . ", backend $name";
    is($r->{status}, $status, $label);
    is(($r->{seen}{client} || '') =~ /CN=([^,]+)/ ? $1 : '', $cn, '... certificate that it saw') if $status == 200;
}
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|exit signal/i, 'error log');
ok($h->stop, 'server stops');

# Files that are no good end the start, and the message names the file, as the stock module's does not.
spew("$dir/mismatch.pem", bundled('proxy'), slurp(pki_file('mismatch.key')));
for my $name ('mismatch', 'no-such') {
    my $bad = front(hosts => { x => "SSLProxyMachineCertificateFile $dir/$name.pem" });
    my $why = $bad->start_fails;
    ok(defined $why, "$name.pem: no start");
    like($why || '', qr/\Q$name\E\.pem/, '... and it is named') if !is_stock() || $name eq 'no-such';
}
done_testing;
