# httpd -t -D DUMP_SSL_CONFIG (and _JSON): what is said of each virtual host is what its clients meet; no key is read, no
# pass phrase asked for, and a virtual host with a mistake does not hide the others.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use JSON::PP ();
use ModSSL::Httpd qw(ours_only openssl_version);
use ModSSL::Client qw(:all);
use ModSSL::PKI qw(pki_dir pki_file make_cert openssl);

ours_only('the stock module has no DUMP_SSL_CONFIG');

my $pair = sub { join '', map { "SSLCertificateFile \@pki\@/$_.crt\nSSLCertificateKeyFile \@pki\@/$_.key\n" } @_ };
my $host = sub { "<VirtualHost 127.0.0.1:\@port:$_[0]\@>\nServerName $_[0].test\n$_[1]</VirtualHost>\n" };

# Exit status and output of httpd: the dump, and around it what else there is to say.
sub dump_of {
    my ($h, $define) = @_;
    return $h->run('-t', '-D', $define);
}

# The JSON value in it; messages stand on lines of their own around it.
sub json_of {
    my ($h) = @_;
    my ($status, $output) = dump_of($h, 'DUMP_SSL_CONFIG_JSON');
    is($status, 0, 'exit status');
    my ($json) = $output =~ /^(\{\n.*^\}\n)/ms or do { diag($output); return };
    my $value = eval { JSON::PP->new->utf8->decode($json) };
    ok($value, 'the JSON is valid') or diag("$@\n$json");
    return ($value, $output);
}

subtest 'facts' => sub {
    my $h = ModSSL::Httpd->new(name => 'dump-facts', listen => [qw(a chain strict)], config =>
        "SSLSessionCache shmcb:\@root\@/run/cache(512000)\n"
        . $host->('a', "ServerAlias a.test www.a.test *.a.test\nSSLEngine on\n" . $pair->('a'))
        . $host->('chain', "SSLEngine on\nSSLPolicy intermediate\n" . $pair->('chain', 'ecdsa'))
        . $host->('off', $pair->('b')) =~ s/port:off/port:a/r
        . $host->('strict', "SSLEngine on\nSSLVerifyClient require\nSSLVerifyDepth 3\nSSLCACertificateFile \@pki\@/bundle.crt\n"
            . "SSLCARevocationFile \@pki\@/ca-and-inter.crl\nSSLCARevocationCheck chain\nSSLSessionCacheTimeout 77\n"
            . "SSLSessionTickets off\nSSLHonorCipherOrder on\nSSLProtocol TLSv1.2\n" . $pair->('expired')));
    my ($all) = json_of($h) or return;
    my ($a, $chain, $strict, @more) = @{ $all->{virtual_hosts} };
    is(scalar @more, 0, 'the hosts with SSLEngine on, in the order of the file');

    is($a->{name}, 'a.test', 'name');
    is_deeply($a->{aliases}, ['a.test', 'www.a.test', '*.a.test'], 'aliases');
    is_deeply($a->{addresses}, ['127.0.0.1:' . $h->port('a')], 'addresses');
    like($a->{defined_at}, qr{/httpd\.conf:\d+$}, 'file and line');
    is_deeply($a->{files}{certificates}, [pki_file('a.crt')], 'certificate files');
    is_deeply($a->{files}{private_keys}, [pki_file('a.key')], 'key files');
    is_deeply($a->{files}{names_in_no_certificate}, ['www.a.test'], 'names that the certificate lacks');
    is($a->{policy}, 'none', 'no policy');
    is($a->{tls}{security_level}, 2, 'security level');
    is_deeply([@{ $a->{tls}}{qw(honor_cipher_order compression insecure_renegotiation)}], [JSON::PP::false, JSON::PP::false, JSON::PP::false], 'options');
    is($a->{client_certificates}{verify}, 'none', 'client certificates');
    is($a->{sessions}{tickets}, JSON::PP::true, 'tickets');
    is($a->{sessions}{timeout_in_seconds}, 300, 'timeout');
    like($a->{sessions}{cache}, qr/^shmcb:/, 'session cache');

    is(scalar @{ $chain->{certificates} }, 2, 'two certificates');
    my ($rsa) = grep { $_->{key} eq 'RSA' } @{ $chain->{certificates} };
    my ($ec)  = grep { $_->{key} eq 'EC prime256v1' } @{ $chain->{certificates} };
    is($rsa->{file}, pki_file('chain.crt'), 'file of the first');
    is($ec->{file}, pki_file('ecdsa.crt'), 'file of the second');
    is($rsa->{subject}, 'CN=chain.test', 'subject');
    is($rsa->{issuer}, 'CN=Test Intermediate CA', 'issuer');
    is_deeply($rsa->{chain}, ['CN=Test Intermediate CA'], 'chain');
    is_deeply($ec->{chain}, [], 'no chain');
    is($rsa->{key_bits}, 2048, 'key size');
    is_deeply($ec->{names}, ['DNS:ecdsa.test', 'DNS:localhost', 'DNS:*.wild.test', 'IP Address:127.0.0.1'], 'names');
    my $facts = openssl('x509', '-in', pki_file('chain.crt'), '-noout', '-fingerprint', '-sha256', '-enddate', '-serial');
    is("$rsa->{sha256} $rsa->{valid_until} $rsa->{serial}",
       join(' ', $facts =~ /Fingerprint=(\S+)/, $facts =~ /notAfter=(.*)/, $facts =~ /serial=(\S+)/), 'fingerprint, end and serial');
    cmp_ok($rsa->{days_left}, '>', 300, 'days left');
    is($chain->{policy}, 'intermediate', 'policy');
    is_deeply($chain->{tls}{groups}, [qw(x25519 secp256r1 secp384r1)], 'groups of the policy')
        if openssl_version() =~ /^3\.0/;

    is($strict->{certificates}[0]{state}, 'EXPIRED', 'an expired certificate');
    cmp_ok($strict->{certificates}[0]{days_left}, '<', 0, 'so many days ago');
    my $client = $strict->{client_certificates};
    is_deeply([@{$client}{qw(verify depth ca_file cas_in_the_file ca_names_told_to_clients crl_check crls_in_the_file)}],
              ['require', 3, pki_file('bundle.crt'), 3, 3, 'chain', 2], 'client certificates');
    is($strict->{sessions}{timeout_in_seconds}, 77, 'timeout');
    is($strict->{sessions}{tickets}, JSON::PP::false, 'no tickets');
    is($strict->{tls}{honor_cipher_order}, JSON::PP::true, 'order');
    is_deeply($strict->{tls}{protocols}, ['TLSv1.2'], 'protocols');

    my $versions = $all->{versions};
    like($versions->{module}, qr{^mod_ssl/2\.}, 'version of the module');
    like($versions->{httpd}, qr{^Apache/}, 'of httpd');
    like($versions->{openssl_loaded}, qr/^OpenSSL \Q@{[ openssl_version() ]}\E /, 'of OpenSSL');
    is_deeply($versions->{openssl_providers}, ['default'], 'providers');
};

# lines of a virtual host; each cipher that OpenSSL knows is tried, and only those listed may work
my @TRUTH = (
    [default  => $pair->('rsa', 'ecdsa')],
    [rsa      => $pair->('rsa')],
    [ecdsa    => $pair->('ecdsa')],
    [level0   => "SSLCipherSuite ALL:\@SECLEVEL=0\n" . $pair->('rsa', 'ecdsa')],
    [policy   => "SSLPolicy old\n" . $pair->('rsa', 'ecdsa')],
    [commands => "SSLOpenSSLConfCmd CipherString AES128-SHA:ECDHE-RSA-AES256-GCM-SHA384\nSSLOpenSSLConfCmd MinProtocol TLSv1.1\n"
        . "SSLOpenSSLConfCmd Ciphersuites TLS_AES_256_GCM_SHA384\nSSLOpenSSLConfCmd Groups P-384\n" . $pair->('rsa')],
    [twelve   => "SSLProtocol TLSv1.2\nSSLCipherSuite CHACHA20\n" . $pair->('rsa')],
);

sub taken {
    my ($port, $version, @ciphers) = @_;
    my $with = $version eq '1.3' ? sub { (ciphersuites => $_[0]) } : sub { (ciphers => "$_[0]:\@SECLEVEL=0") };
    return grep { tls_connect(port => $port, version => $version, $with->($_)) } @ciphers;
}

subtest 'ciphers, protocols and groups are those that work' => sub {
    my $h = ModSSL::Httpd->new(name => 'dump-truth', listen => [map { $_->[0] } @TRUTH],
                               config => join '', map { $host->($_->[0], "SSLEngine on\n$_->[1]") } @TRUTH);
    my ($all) = json_of($h) or return;
    $h->start or return fail($h->why);
    my %ciphers;
    for my $case (['1', '-tls1'], ['1.1', '-tls1_1'], ['1.2', '-tls1_2'], ['1.3', '-tls1_3']) {
        $ciphers{ $case->[0] } = [openssl('ciphers', '-s', $case->[1], 'ALL:@SECLEVEL=0') =~ /[^:\s]+/g];
    }
    my @groups = ('X25519', 'P-256', 'X448', 'P-521', 'P-384');
    my %tls_name = ('X25519' => 'x25519', 'P-256' => 'secp256r1', 'X448' => 'x448', 'P-521' => 'secp521r1', 'P-384' => 'secp384r1');
    for my $vhost (@{ $all->{virtual_hosts} }) {
        my ($name) = $vhost->{name} =~ /^(\w+)/;
        my %listed = %{ $vhost->{tls}{ciphers} };
        my @protocols;
        for my $version ('1.3', '1.2', '1.1', '1') {
            my $key = "tlsv$version" =~ s/\./_/r;
            my @works = taken($h->port($name), $version, @{ $ciphers{$version} });
            push @protocols, "TLSv$version" if @works;
            is_deeply([sort @{ $listed{$key} || [] }], [sort @works], "$name: ciphers of TLS $version");
        }
        is_deeply($vhost->{tls}{protocols}, \@protocols, "$name: protocols");
        next if $name eq 'twelve';
        my @works = map { $tls_name{$_} } grep { tls_connect(port => $h->port($name), version => '1.3', groups => $_) } @groups;
        my %has = map { $_ => 1 } @{ $vhost->{tls}{groups} };
        is_deeply([grep { $has{$_} } map { $tls_name{$_} } @groups], \@works, "$name: groups");
    }
};

subtest 'stapling by policy' => sub {
    for my $case (
        ['modern, no cache', "SSLPolicy modern\n", '', 0],
        ['modern, cache', "SSLPolicy modern\n", "SSLStaplingCache shmcb:\@root\@/run/stapling(65536)\n", 1],
        ['modern, cache, off', "SSLPolicy modern\nSSLUseStapling off\n", "SSLStaplingCache shmcb:\@root\@/run/stapling(65536)\n", 0],
        ['cache alone', '', "SSLStaplingCache shmcb:\@root\@/run/stapling(65536)\n", 0],
    ) {
        my ($name, $lines, $global, $want) = @$case;
        my $h = ModSSL::Httpd->new(name => 'dump-stapling', config => $global . $host->('https', "SSLEngine on\n$lines" . $pair->('a')));
        my ($all) = json_of($h) or next;
        is($all->{virtual_hosts}[0]{stapling}{enabled} ? 1 : 0, $want, $name);
    }
};

subtest 'for people' => sub {
    my $h = ModSSL::Httpd->new(name => 'dump-text', loglevel => 'warn', config => "SSLPolicy modern\n"
        . "<SSLPolicyDefine mine>\nSSLPolicy intermediate\nSSLProtocol TLSv1.2\n</SSLPolicyDefine>\n"
        . $host->('https', "SSLEngine on\nSSLPolicy mine\n" . $pair->('rsa', 'ecdsa')));
    my ($status, $text) = dump_of($h, 'DUMP_SSL_CONFIG');
    is($status, 0, 'exit status');
    $text =~ s/^\[.*\n//mg;
    like($text, qr/^Virtual host https\.test:\d+$/m, 'a heading for the host');
    like($text, qr/^  policy +mine$/m, 'aligned facts');
    like($text, qr/^    protocols +TLSv1\.2$/m, 'protocols');
    like($text, qr/^      TLSv1\.2 +ECDHE-ECDSA-AES128-GCM-SHA256, /m, 'ciphers');
    is_deeply([grep { length > 120 } split /\n/, $text], [], 'no line of more than 120 columns');
    unlike($text, qr/[ \t]$/m, 'no blanks at the end of a line');

    ($status, $text) = dump_of($h, 'DUMP_SSL_VERSION');
    like($text, qr/^  OpenSSL loaded +OpenSSL \d/m, 'DUMP_SSL_VERSION');
    unlike($text, qr/Virtual host/, 'no virtual hosts there');
    ($status, $text) = dump_of($h, 'DUMP_SSL_POLICIES');
    like($text, qr/^SSLPolicy $_$/m, "DUMP_SSL_POLICIES: $_") for qw(modern intermediate old mine);
    like($text, qr/^  extends +intermediate$/m, 'what a policy extends');
    ($status, $text) = $h->run('-t');
    unlike($text, qr/Virtual host|SSLPolicy/, 'nothing unless asked for');
};

subtest 'nothing is asked, nothing is hidden' => sub {
    my $h = ModSSL::Httpd->new(name => 'dump-enc', loglevel => 'warn', listen => [qw(enc none broken last)], config =>
        "SSLPassPhraseDialog exec:\@root\@/cgi/phrase\n"
        . $host->('enc', "SSLEngine on\nSSLCertificateFile \@pki\@/rsa.crt\nSSLCertificateKeyFile \@pki\@/rsa-enc.key\n")
        . $host->('none', "SSLEngine on\n")
        . $host->('broken', "SSLEngine on\nSSLCipherSuite NO-SUCH\n" . $pair->('a'))
        . $host->('last', "SSLEngine on\n" . $pair->('b')));
    $h->cgi('phrase', "#!/bin/sh\necho \$1 >>\$(dirname \$0)/../logs/asked\necho nonsense\n");
    my ($all, $output) = json_of($h) or return;
    my ($enc, $none, $broken, $last) = @{ $all->{virtual_hosts} };
    is($enc->{certificates}[0]{subject}, 'CN=rsa.test', 'an encrypted key: the certificate is shown');
    ok(!-e $h->root . '/logs/asked', 'and no pass phrase was asked for');
    like($none->{files}{note}, qr/no SSLCertificateFile/, 'no certificate: said so');
    is_deeply($none->{certificates}, [], 'none shown');
    like($broken->{error}, qr/will not start/, 'a mistake: said so');
    like($output, qr/broken\.test:\d+: (?:AH\d+: )?Unable to configure permitted SSL ciphers/, 'and why, in the log');
    is($last->{certificates}[0]{subject}, 'CN=b.test', 'the next host is shown all the same');
};

subtest 'odd characters' => sub {
    my $h = ModSSL::Httpd->new(name => 'dump-odd');
    my $dir = $h->root . '/pki';
    mkdir $dir;
    make_cert(dir => $dir, name => 'odd', ca => 'ca', subject => '/O=Qu"ote \\\\ B\\\\\\/C=x/CN=' . "M\xc3\xbcller \x01\x1b[31m", san => ['DNS:odd.test']);
    $h->config("<VirtualHost *:\@port:https\@>\nServerName odd.test\nServerAlias la\xe9tin.test \xed\xa0\x80.test m\xc3\xbc.test\nSSLEngine on\n"
        . "SSLCertificateFile $dir/odd.crt\nSSLCertificateKeyFile $dir/odd.key\n</VirtualHost>\n");
    my ($all) = json_of($h) or return;
    my ($vhost) = @{ $all->{virtual_hosts} };
    is_deeply($vhost->{aliases}, ["la\x{e9}tin.test", "\x{ed}\x{a0}\x{80}.test", "m\x{fc}.test"], 'bytes that are no UTF-8 count as Latin-1');
    like($vhost->{certificates}[0]{subject}, qr/Qu\\"ote|Qu"ote/, 'a quote');
    like($vhost->{certificates}[0]{subject}, qr/M\x{fc}ller/, 'UTF-8');
    is_deeply($vhost->{addresses}, ['*:' . $h->port], 'any address');
    my (undef, $text) = dump_of($h, 'DUMP_SSL_CONFIG');
    unlike($text, qr/[\x00-\x09\x0b-\x1f\x7f]/, 'no control characters for the terminal');
};

subtest 'many virtual hosts' => sub {
    my $n = 500;
    my $h = ModSSL::Httpd->new(name => 'dump-many', config => $pair->('rsa') . join '', map { $host->('https', "SSLEngine on\nServerAlias h$_.test\n") } 1 .. $n);
    my ($all) = json_of($h) or return;
    is(scalar @{ $all->{virtual_hosts} }, $n, 'all are there');
    is($all->{virtual_hosts}[$n - 1]{aliases}[0], "h$n.test", 'in order');
    is($all->{virtual_hosts}[$n - 1]{certificates}[0]{subject}, 'CN=rsa.test', 'with their certificate');
};

done_testing;
