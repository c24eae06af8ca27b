# SSLUseStapling: each certificate gets the answer of its own responder, in TLS 1.2 and 1.3, by whatever name it is asked
# for; what the responder's URL, the issuer and the cache must be; what is said of what lacks.
use strict;
use warnings;
use Test::More;
use ModSSL::Client qw(:all);
use ModSSL::Httpd qw(is_stock wait_for);
use ModSSL::PKI qw(pki_dir slurp spew make_cert openssl);
use ModSSL::Responder;
use ModSSL::Staple qw(staple staple_comes stapling_host);
use File::Temp ();

my $dir = File::Temp->newdir(DIR => $ENV{MODSSL_WORK} || '/tmp');
chmod 0755, $dir;
my $r = ModSSL::Responder->new;
my $ca = slurp(pki_dir() . '/ca.crt');

# A certificate NAME whose authorityInfoAccess names the responder in this MODE; its file holds the issuer, too.
sub cert {
    my ($name, $mode, %o) = @_;
    make_cert(name => $name, dir => "$dir", san => ["DNS:$name.test"], $mode ? (ext => ['authorityInfoAccess=OCSP;URI:' . $r->url($mode)]) : (), %o);
    spew("$dir/$name.crt", slurp("$dir/$name.crt"), $ca) if !$o{alone};
    return "$dir/$name";
}
my $CACHE = "SSLStaplingCache shmcb:\@root\@/run/stapling(128000)\n";

# --- RSA and ECDSA, SNI, versions ------------------------------------------------------------------

cert('rsa', 'good?this=-100');
cert('ec', 'good?this=-200', key => 'ec');
cert('other', 'good', key => 'ec');
cert('revoked', 'revoked', key => 'ec');
my $h = ModSSL::Httpd->new(config => $CACHE
    . stapling_host('both.test', "$dir/rsa", "SSLCertificateFile $dir/ec.crt\nSSLCertificateKeyFile $dir/ec.key")
    . stapling_host('other.test', "$dir/other")
    . stapling_host('revoked.test', "$dir/revoked")
    . stapling_host('off.test', "$dir/other", 'SSLUseStapling off'));
$h->start or BAIL_OUT($h->why);

# The serial of the certificate that the answer is about.
sub about { my ($word, $out) = @_; return $word eq 'good' && $out =~ /Serial Number: (\w+)/ ? $1 : $word }
sub serial { my ($serial) = openssl('x509', '-in', "$dir/$_[0].crt", '-noout', '-serial') =~ /=(\w+)/; return $serial }

for my $version ('1.2', '1.3') {
    for (['rsa', 'RSA+SHA256:RSA-PSS+SHA256'], ['ec', 'ECDSA+SHA256']) {
        my ($name, $sigalgs) = @$_;
        my @how = (sni => 'both.test', version => $version, args => [-sigalgs => $sigalgs]);
        is(staple_comes($h, 'good', @how), 'good', "TLS $version, $name: stapled");
        is(about(staple($h, @how)), serial($name), "TLS $version, $name: the answer is about this certificate");
    }
    is(staple_comes($h, 'good', sni => 'other.test', version => $version), 'good', "TLS $version: a host by its name");
    is(staple_comes($h, 'revoked', sni => 'revoked.test', version => $version), 'revoked', "TLS $version: revoked is stapled");
    is(staple($h, sni => 'off.test', version => $version), 'none', "TLS $version: SSLUseStapling off");
    is(staple_comes($h, 'good', version => $version), 'good', "TLS $version: no name");
    my $out = s_client(port => $h->port, args => ['-tls' . $version =~ tr/./_/r, -servername => 'other.test']);
    unlike($out, qr/OCSP response:.*successful/s, "TLS $version: nothing for a client that does not ask");
}

# Resumed: the certificate is not sent, nor is an answer.
{
    my $session = "$dir/session";
    s_client(port => $h->port, args => [-servername => 'other.test', '-tls1_2', -sess_out => $session, '-status']);
    my ($word, $out) = staple($h, sni => 'other.test', version => '1.2', args => [-sess_in => $session]);
    like($out, qr/^Reused, TLSv1\.2/m, 'TLS 1.2: resumed');
    unlike($out, qr/OCSP Response Status/, 'and no answer in it');
}
if (!is_stock()) {
    like($h->errorlog, qr/ssl:crit\].*REVOKED: the server certificate '\S+revoked\.crt'.*was revoked/, 'a revoked certificate is shouted about');
    my $shouts = () = $h->errorlog =~ /REVOKED/g;
    is($shouts, 1, 'once');
    my @asked = $r->requests;
    my %times;
    $times{ $_->{serial} }++ for @asked;
    is_deeply(\%times, { map { serial($_) => 1 } qw(rsa ec other revoked) }, 'each responder was asked once, for all these handshakes');
    is($asked[0]{nonce}, undef, 'without a nonce');
}
ok($h->stop, 'ends');

# --- SSLStaplingForceURL, IPv6, a real responder ------------------------------------------------------

cert('nowhere', undef);
{
    my $h = ModSSL::Httpd->new(config => $CACHE . stapling_host('nowhere.test', "$dir/nowhere", 'SSLStaplingForceURL ' . $r->url('good'))
                                                . stapling_host('other.test', "$dir/rsa", 'SSLStaplingForceURL ' . $r->url('real')));
    $h->start or BAIL_OUT($h->why);
    is(staple_comes($h, 'good', sni => 'nowhere.test'), 'good', 'SSLStaplingForceURL: of a certificate that names no responder');
    SKIP: {
        skip 'the index of the PKI does not list it', 1 if slurp(pki_dir() . '/ca.index') !~ serial('rsa');
        is(staple_comes($h, 'good', sni => 'other.test'), 'good', "SSLStaplingForceURL: OpenSSL's own responder");
    }
}

# --- what lacks ------------------------------------------------------------------------------------------

cert('orphan', 'good', alone => 1, ext => ['authorityInfoAccess=OCSP;URI:' . $r->url('good') . ',caIssuers;URI:http://ca.test/ca.crt']);
{
    my $h = ModSSL::Httpd->new(config => stapling_host('rsa.test', "$dir/rsa"));
    like($h->start_fails || '', qr/AH01958/, 'without SSLStaplingCache: does not start');
    is(($h->configtest)[0], 0, 'though httpd -t finds nothing wrong');
}
{
    my $h = ModSSL::Httpd->new(config => $CACHE . stapling_host('rsa.test', "$dir/rsa") . stapling_host('orphan.test', "$dir/orphan")
        . stapling_host('nowhere.test', "$dir/nowhere"));
    $h->start or BAIL_OUT($h->why);
    is(staple_comes($h, 'good', sni => 'rsa.test'), 'good', 'a host with all that is needed');
    is(staple($h, sni => 'orphan.test'), 'none', 'no issuer: nothing');
    is(staple($h, sni => 'nowhere.test'), 'none', 'no responder: nothing') if !is_stock();
    like($h->errorlog, qr/AH02217: .*orphan/, 'no issuer: said');
    like($h->errorlog, qr/AH02218: /, 'no responder: said');
    like($h->errorlog, qr/AH02217: .*to be had at http:\/\/ca\.test\/ca\.crt/, 'and where to get the issuer') if !is_stock();
}
{
    my $h = ModSSL::Httpd->new(config => "SSLCACertificateFile \@pki\@/ca.crt\n" . $CACHE . stapling_host('orphan.test', "$dir/orphan"));
    $h->start or BAIL_OUT($h->why);
    is(staple_comes($h, 'good', sni => 'orphan.test'), 'good', 'the issuer is found among the CAs');
}
{
    my $h = ModSSL::Httpd->new(config => $CACHE . stapling_host('orphan.test', "$dir/orphan", 'SSLCertificateChainFile @pki@/ca.crt'));
    $h->start or BAIL_OUT($h->why);
    is(staple_comes($h, 'good', sni => 'orphan.test'), 'good', 'and in SSLCertificateChainFile');
}
done_testing;
