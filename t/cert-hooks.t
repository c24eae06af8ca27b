# Other modules give certificates by hook (mod_md does): add_cert_files and its fallback, as optional hooks of mod_ssl.h and
# as hooks of httpd itself. Requests that are answered under a fallback certificate get 503.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd;
use ModSSL::CModule;
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(pki_file openssl slurp);

sub vhost {
    my ($name, $more) = @_;
    return "<VirtualHost 127.0.0.1:\@port:https\@>\nServerName $name.test\nSSLEngine on\n"
        . "Header always set X-Vhost $name\n$more\n</VirtualHost>\n";
}
sub files { my ($way, $cert) = @_; return "ProbeFiles $way \@pki\@/$cert.crt \@pki\@/$cert.key" }
sub own { my ($cert) = @_; return "SSLCertificateFile \@pki\@/$cert.crt\nSSLCertificateKeyFile \@pki\@/$cert.key" }

sub server {
    my ($name, @config) = @_;
    my $h = ModSSL::Httpd->new(name => "cert-hooks-$name", config => join '', "LoadModule tls_probe_module \@root\@/mod_tls_probe.so\n", @config);
    ModSSL::CModule::build('mod_tls_probe', $h->root);
    return $h;
}

# "CN of the certificate, status"; with SNI and Host of the same name
sub answer {
    my ($h, $name, %o) = @_;
    my $s = tls_connect(port => $h->port, sni => "$name.test", %o) or return 'refused';
    my $cn = peer_cn($s);
    my $r = http_get($s, '/', "$name.test", close => 1) or return "$cn, closed";
    return "$cn, $r->{status}";
}

my $h = server('all',
    vhost('first',     own('rsa')),
    vhost('optional',  files('optional', 'a')),
    vhost('core',      files('core', 'b')),
    vhost('fb',        files('fallback-optional', 'c')),
    vhost('fb-core',   files('fallback-core', 'ecdsa')),
    vhost('unneeded',  own('p384') . "\n" . files('fallback-optional', 'c')),
    vhost('both',      own('p384') . "\n" . files('optional', 'rsa')),
    vhost('bothcore',  own('p384') . "\n" . files('core', 'rsa')),
);
$h->start or die $h->why;

for my $version ('1.2', '1.3') {
    is(answer($h, $_->[0], version => $version), $_->[1], "TLS $version, $_->[0]: $_->[2]") for
        [ 'first',    'rsa.test, 200', 'files of its own' ],
        [ 'optional', 'a.test, 200', 'files by the optional hook' ],
        [ 'core',     'b.test, 200', 'files by the hook of httpd' ],
        [ 'fb',       'c.test, 503', 'fallback by the optional hook' ],
        [ 'fb-core',  'ecdsa.test, 503', 'fallback by the hook of httpd' ],
        [ 'unneeded', 'p384.test, 200', 'a fallback that is not needed' ];
    is(answer($h, 'bothcore', version => $version), 'p384.test, 200', "TLS $version, own and hooked files of httpd's hook");
}
is(answer($h, 'both', version => '1.2', ciphers => 'ECDHE-ECDSA-AES128-GCM-SHA256'), 'p384.test, 200', 'own and hooked files: the own');
is(answer($h, 'both', version => '1.2', ciphers => 'ECDHE-RSA-AES128-GCM-SHA256'), 'rsa.test, 200', 'own and hooked files: the hooked');
is(answer($h, 'bothcore', version => '1.2', ciphers => 'ECDHE-RSA-AES128-GCM-SHA256'), 'rsa.test, 200',
   "the same by httpd's hook");

my $s = tls_connect(port => $h->port, sni => 'fb.test') or die $tls_error;
my $r = http_get($s, '/', 'fb.test');
is("$r->{status} $r->{reason}", '503 Service Unavailable', 'what a fallback says');
unlike($r->{body}, qr/works/, 'without the page');
is($r->{headers}{'retry-after'}, undef, 'no promise of when');

subtest 'nothing at all' => sub {
    my $none = server('none', vhost('none', ''));
    like($none->start_fails // 'started', qr/AH02572:.*none\.test.*\(exit status 1\)/s, 'a virtual host without certificate does not start');
};
subtest 'a file that is not there' => sub {
    my $bad = server('bad', vhost('bad', "ProbeFiles optional /nonexistent.crt /nonexistent.key"));
    like($bad->start_fails // 'started', qr{AH02562:.*/nonexistent\.crt.*\(exit status 1\)}s, 'nor does one whose hooked file is not there');
};
subtest 'restart' => sub {
    ok($h->graceful, 'graceful');
    my $got = ModSSL::Httpd::wait_for(10, sub { my $a = answer($h, 'optional'); $a =~ /, 200/ && $a });
    is($got, 'a.test, 200', 'the hooks are asked again');
    is(answer($h, 'fb'), 'c.test, 503', 'for fallbacks too');
};


# Encrypted keys that hooks bring ask the dialog like any other: by their place among the host's keys, after its own.
subtest 'encrypted, several' => sub {
    my $crypt = server('encrypted');
    my $root = $crypt->root;
    my $exec = $crypt->cgi('dialog', "#!/bin/sh\necho \"\$1 \$2\" >>$root/run/calls\necho 'the phrase'\n");
    my $encrypted = sub {
        my ($name) = @_;
        openssl('pkey', '-in', pki_file("$name.key"), '-aes256', '-passout', 'pass:the phrase', '-out', "$root/$name.key");
        chmod 0644, "$root/$name.key";
        return "\@pki\@/$name.crt $root/$name.key";
    };
    my $both = "ProbeFiles optional " . $encrypted->('ecdsa') . "\nProbeFiles core " . $encrypted->('ed25519');
    my $several = "ProbeFiles core " . $encrypted->('chain') . "\nProbeFiles core \@pki\@/p384.crt \@pki\@/p384.key";
    my $config = "LoadModule tls_probe_module \@root\@/mod_tls_probe.so\nSSLPassPhraseDialog exec:$exec\n"
        . vhost('three', own('rsa') . "\n$both") . vhost('several', $several);
    $crypt->config($config);
    $crypt->start or return fail($crypt->why);
    for (['three', 'aRSA', 'rsa.test'], ['three', 'aECDSA', 'ecdsa.test'], ['several', 'aRSA', 'chain.test'], ['several', 'aECDSA', 'p384.test']) {
        my ($name, $kind, $cn) = @$_;
        is(answer($crypt, $name, version => '1.2', ciphers => $kind), "$cn, 200", "$name, $kind");
    }
    my $out = s_client(port => $crypt->port, args => [qw(-tls1_3 -servername three.test -sigalgs ed25519)]);
    like($out, qr/subject=CN ?= ?ed25519\.test/, 'three, Ed25519');
    is(scalar(() = slurp("$root/run/calls") =~ /^/mg), 1, 'one phrase for all: one question');
    like(slurp("$root/run/calls"), qr/^(?:three\.test:\d+ DSA|several\.test:\d+ RSA)$/, 'by place');
    ok($crypt->graceful, 'graceful restart');
    is(scalar(() = slurp("$root/run/calls") =~ /^/mg), 1, 'asks nothing');
    is(answer($crypt, 'three', version => '1.2', ciphers => 'aECDSA'), 'ecdsa.test, 200', 'and the keys are there');
};

done_testing;
