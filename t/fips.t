# SSLFIPS: on and off contradict each other; on restricts TLS to what OpenSSL's FIPS provider approves; without the provider, or without
# the result of its installation, it is a start that fails and says so.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock wait_for);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(openssl pki_file spew);

my $h = ModSSL::Httpd->new;
my $host = "SSLEngine on\nSSLCertificateFile \@pki\@/rsa.crt\nSSLCertificateKeyFile \@pki\@/rsa.key\n";
for (
    ["SSLFIPS off",               0],
    ["SSLFIPS on",                0],
    ["SSLFIPS on\nSSLFIPS on",    0],
    ["SSLFIPS on\nSSLFIPS off",   1],
    ["SSLFIPS off\nSSLFIPS on",   1],
    ["SSLFIPS maybe",             1],
    ["<VirtualHost *:1>\nSSLFIPS on\n</VirtualHost>", 1],
) {
    my ($lines, $want) = @$_;
    $h->config("$lines\n$host");
    my ($rc, $out) = $h->configtest;
    is($rc, $want, 'configtest: ' . $lines =~ s/\n/ \/ /gr) or diag $out;
}

# The provider, and the sections that its installation writes.
my $modules = openssl('version', '-m') =~ /"(.*)"/ ? $1 : '';
my $module = "$modules/fips.so";
my $installed = $h->root . '/fipsmodule.cnf';
my $has_provider = -e $module && eval { openssl('fipsinstall', '-quiet', '-module', $module, '-out', $installed); 1 };

# The server's OpenSSL has these providers active; "fips" as it was installed.
sub with_providers {
    my (@names) = @_;
    my $sections = join '', map { $_ eq 'fips' ? '' : "[${_}_sect]\nactivate = 1\n" } @names;
    my $list = join '', map { "$_ = ${_}_sect\n" } @names;
    my $include = (grep { $_ eq 'fips' } @names) ? ".include $installed\n" : '';
    $h->file('openssl.cnf', "config_diagnostics = 1\nopenssl_conf = all\n[all]\nproviders = providers\n[providers]\n$list$sections$include");
    $h->{env} = { OPENSSL_CONF => $h->root . '/openssl.cnf' };
    return;
}

# What the server does for a client that insists: "cipher, status" or "nothing"
sub agreed {
    my (@args) = @_;
    my $out = s_client(port => $h->port, args => \@args, input => "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n");
    my ($cipher) = $out =~ /Cipher is ([^\s(]+)/;
    my ($status) = $out =~ m{^HTTP/1\.1 (\d+)}m;
    return $cipher ? $cipher . ', ' . ($status || 'no answer') : 'nothing';
}

my @approved = (
    ['TLS 1.3',     'TLS_AES_256_GCM_SHA384, 200',      '-tls1_3', '-groups', 'P-256'],
    ['TLS 1.2',     'ECDHE-RSA-AES128-GCM-SHA256, 200', '-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256', '-groups', 'P-384'],
);
my @others = (
    ['ChaCha20',    'TLS_CHACHA20_POLY1305_SHA256, 200', '-tls1_3', '-ciphersuites', 'TLS_CHACHA20_POLY1305_SHA256', '-groups', 'P-256'],
    ['the same',   'ECDHE-RSA-CHACHA20-POLY1305, 200', '-tls1_2', '-cipher', 'ECDHE-RSA-CHACHA20-POLY1305'],
    ['X25519',      'TLS_AES_256_GCM_SHA384, 200',      '-tls1_3', '-groups', 'X25519'],
    ['the same',   'ECDHE-RSA-AES128-GCM-SHA256, 200', '-tls1_2', '-cipher', 'ECDHE-RSA-AES128-GCM-SHA256', '-groups', 'X25519'],
);

sub serves {
    my ($name, $restricted) = @_;
    is(agreed(@$_[2 .. $#$_]), $_->[1], "$name: $_->[0] ($_->[2])") for @approved;
    is(agreed(@$_[2 .. $#$_]), $restricted ? 'nothing' : $_->[1], "$name: $_->[0] ($_->[2])") for @others;
    return;
}

$h->config("SSLFIPS off\n$host");
ok($h->start, 'off: starts') or diag $h->why;
serves('off', 0);
$h->stop;

SKIP: {
    skip 'no FIPS provider for this OpenSSL (package openssl-provider-fips)', 1 if !$has_provider;
    for my $providers ([qw(fips base)], [qw(fips default)], [qw(default base fips)]) {
        my $name = "@$providers";
        with_providers(@$providers);
        $h->config("SSLFIPS on\n$host");
        ok($h->start, "$name: starts") or diag($h->why), next;
        like($h->errorlog, qr/:notice\].*AH01884/, "$name: and says so");
        serves($name, 1);
        ok($h->graceful, "$name: graceful restart");
        serves("$name, again", 1);
        $h->stop;
    }
    with_providers(qw(fips default));
    $h->config("SSLFIPS off\n$host");
    ok($h->start, 'off, though the provider is active') or diag $h->why;
    serves('off, provider active', 0);
    $h->stop if is_stock();
    skip 'the stock module cannot, and ends', 15 if is_stock();
    $h->config("SSLFIPS on\n$host");
    ok($h->graceful, 'on by a graceful restart');
    ok(wait_for(10, sub { agreed(@{ $others[0] }[2 .. 5]) eq 'nothing' }), 'takes effect');
    serves('off and on', 1);
    $h->config("SSLFIPS off\n$host");
    ok($h->graceful, 'off by a graceful restart');
    serves('on and off', 0);
    $h->stop;
}

SKIP: {
    with_providers('default');
    $h->config("SSLFIPS on\n$host");
    my $why = $h->start_fails;
    like($why, qr/:emerg\].*AH02312/, 'on, without the provider: no start');
    skip 'the stock module claims that the mode is on, and fails later', 2 if is_stock();
    like($why, qr/:emerg\].*AH01885: .*FIPS provider cannot be used/, 'and the reason');
    like($why, $has_provider ? qr/fipsinstall/ : qr/\Q$module\E/, 'and what to do');
}

done_testing;
