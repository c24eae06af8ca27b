# What responders may say and send: only a good or revoked answer for this certificate, signed by who may, in time, whole, is
# ever stapled; and the last good answer stays while the next ones are no good.
use strict;
use warnings;
use Test::More;
use ModSSL::Client qw(:all);
use ModSSL::Httpd qw(ours_only wait_for);
use ModSSL::PKI qw(pki_dir slurp spew make_cert);
use ModSSL::Responder;
use ModSSL::Staple qw(staple staple_comes stapling_host);
use File::Temp ();

BEGIN { ours_only('the stock module staples some of these, and errors of its own making') }

my $dir = File::Temp->newdir(DIR => $ENV{MODSSL_WORK} || '/tmp');
chmod 0755, $dir;

# Signers with the rights of a responder, or without.
sub signer {
    my ($name, %o) = @_;
    make_cert(name => $name, dir => "$dir", %o);
    return "$dir/$name";
}
my $r = ModSSL::Responder->new(signers => {
    delegate => signer('delegate', eku => 'OCSPSigning'),
    server   => signer('server', eku => 'serverAuth'),
    stranger => signer('stranger', ca => 'ca2', eku => 'OCSPSigning'),
    old      => signer('old', eku => 'OCSPSigning', start => -86400 * 9, end => -86400),
});

# [mode of the responder, what is stapled in the end, what the log says]
my @CASES = (
    ['good',                          'good', qr/the certificate is good/],
    ['good?signer=delegate',          'good'],
    ['good?key_id=1',                 'good'],
    ['good?certs=none',               'good'],
    ['good?nonce=other',              'good'],      # we sent none
    ['no-next',                       'good'],
    ['good?this=-200000&next=100',    'good'],
    ['good?delay=0.2',                'good'],
    ['revoked',                       'revoked', qr/REVOKED/],
    ['unknown',                       'none', qr/does not know the certificate/],
    ['try-later',                     'none', qr/tryLater/],
    ['malformed-request',             'none', qr/malformedRequest/],
    ['internal-error',                'none', qr/internalError/],
    ['sig-required',                  'none', qr/sigRequired/],
    ['unauthorized',                  'none', qr/unauthorized/],
    ['wrong-serial',                  'none', qr/another certificate/],
    ['wrong-signer',                  'none'],
    ['good?signer=inter',             'none'],
    ['good?signer=server',            'none'],
    ['good?signer=stranger',          'none'],
    ['good?signer=old',               'none'],
    ['tampered',                      'none'],
    ['revoked?flip=1',                'none'],
    ['expired',                       'none'],
    ['future',                        'none'],
    ['truncated',                     'none'],
    ['trailing',                      'none'],
    ['no-der',                        'none'],
    ['empty',                         'none'],
    ['huge',                          'none'],
    ['good?pad=15000',                'none'],
    ['http-500',                      'none', qr/500/],
    ['redirect',                      'none'],
    ['no-http',                       'none'],
    ['long-header',                   'none'],
    ['endless',                       'none'],
    ['close',                         'none'],
    ['never',                         'none', qr/did not answer within 1000 ms/],
);

my $number = 0;
our @hosts = map {
    my $name = 'case' . $number++;
    make_cert(name => $name, dir => "$dir", key => 'ec', san => ["DNS:$name.test"]);
    spew("$dir/$name.crt", slurp("$dir/$name.crt"), slurp(pki_dir() . '/ca.crt'));
    { name => $name, mode => $_->[0], wanted => $_->[1], log => $_->[2] };
} @CASES;

sub config {
    my ($url_of) = @_;
    return "SSLStaplingCache shmcb:\@root\@/run/stapling(512000)\nSSLStaplingResponderTimeout 20\nSSLStaplingErrorCacheTimeout 1\n"
        . join '', map { stapling_host("$_->{name}.test", "$dir/$_->{name}", 'SSLStaplingForceURL ' . $url_of->($_)
                                              . ($_->{mode} eq 'never' ? "\nSSLStaplingResponderTimeout 1" : '')) } @hosts;
}
my $h = ModSSL::Httpd->new(config => config(sub { $r->url($_[0]{mode}) }));
$h->start or BAIL_OUT($h->why);

# Each certificate was judged: its responder's answer is in the log.
sub log_of {
    my ($host) = @_;
    return join "\n", grep { /OCSP stapling for '\S+$host->{name}\.crt'|REVOKED: .*'\S+$host->{name}\.crt'/ } split /\n/, $h->errorlog;
}
ok(wait_for(90, sub { !grep { log_of($_) eq '' } @hosts }), 'all have been asked for')
    or diag join ' ', map { $_->{mode} } grep { log_of($_) eq '' } @hosts;
for my $host (@hosts) {
    is(staple_comes($h, $host->{wanted}, sni => "$host->{name}.test"), $host->{wanted}, "$host->{mode}: $host->{wanted}");
    like(log_of($host), $host->{log}, "$host->{mode}: log") if $host->{log};
}

# --- a good answer, then lies -----------------------------------------------------------------------------

# From now on all hosts have what they had, though nothing good comes from their responders.
for my $lie ('try-later', 'http-500', 'tampered') {
    my %had = (case0 => 'good', case8 => 'revoked');
    my @two = grep { $had{ $_->{name} } } @hosts;
    local @hosts = @two;
    my $h = ModSSL::Httpd->new(config => config(sub { $r->url($had{ $_[0]{name} }) }));
    $h->start or BAIL_OUT($h->why);
    is(staple_comes($h, $had{$_}, sni => "$_.test"), $had{$_}, "$lie: before, $had{$_}") for sort keys %had;
    # an answer of the farm would spare the question
    my $config = config(sub { $r->url($lie) }) =~ s/(SSLStaplingErrorCacheTimeout 1)/$1\nSSLStaplingStandardCacheTimeout 1/r;
    $h->config($config);
    $h->graceful;
    $h->log_mark;
    ok($h->errorlog_like(qr/$_\.crt.*attempt \d+, .*the last answer is stapled/, wait => 30), "$lie: failed for $_") for sort keys %had;
    is(staple($h, sni => "$_.test"), $had{$_}, "$lie: $_ still has what it had") for sort keys %had;
    $h->stop;
}
done_testing;
