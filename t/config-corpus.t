# Every configuration of t/data/config-corpus.txt is taken, or refused at the same stage (reading, start), as the stock module
# does; differences have a reason there. Refusals say why and where; none ends in a crash. With -stock: the file is true.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock is_asan is_valgrind openssl_version);
use ModSSL::Corpus qw(read_corpus);

my @cases = read_corpus('t/data/config-corpus.txt');
cmp_ok(scalar @cases, '>=', 400, scalar(@cases) . ' configurations');
is_deeply([grep { $_->{stock} !~ /^(?:ok|start|read)$/ || $_->{ours} !~ /^(?:ok|start|read)$/ } @cases], [], 'each with a verdict');

# What depends on how OpenSSL was built is judged where it was asked about.
plan_around() if openssl_version() !~ /^3\.0\./;
sub plan_around {
    note 'another OpenSSL than that of the expectations: nothing that OpenSSL alone decides';
    @cases = grep { $_->{text} !~ /SSLOpenSSLConfCmd|CipherSuite|SSLv3|TLSv1(?:\.1)?(?:\s|$)|SSLCryptoDevice|weak|SSLCompression/ } @cases;
    return;
}
# Under a tool each start takes seconds; what it looks for does not depend on the argument.
if (is_asan() || is_valgrind()) {
    my $every = is_valgrind() ? 40 : 8;
    @cases = @cases[grep { $_ % $every == 0 } 0 .. $#cases];
}

my $corpus = ModSSL::Corpus->new;
my $column = is_stock() ? 'stock' : 'ours';

sub check {
    my ($case, $got, $output) = @_;
    my $want = $case->{$column};
    my $name = "$case->{line}: $case->{place}: $case->{text}";
    if (!is_stock() && defined $case->{reason} && $case->{reason} =~ /^not yet/ && $got eq $case->{stock}) {
        pass("$name: $got, as the stock module: no longer a difference");
        return;
    }
    is($got, $want, $name) or diag($output);
    return if is_stock() || $got ne $want || $got eq 'ok' || !length $output;
    like($output, $got eq 'read'
        ? qr/^(?:AH\d+: )?(?:\S+: )?(?:Syntax error on line \d+ of \S+httpd\.conf:\n\S|.*httpd\.conf:\d+: <\/?\w+> )/m
        : qr/^\[[^\n]*:(?:emerg|alert|crit|error)\] [^\n]*(?:\.test|localhost|Cache|cache|SSLFIPS|SSLRandomSeed|SSLCryptoDevice|lock)/m,
        "... and says why and where") or diag($output);
    return;
}

my @htaccess = grep { $_->{place} eq 'htaccess' } @cases;
my @verdicts = $corpus->judge_htaccess(@htaccess);
check($htaccess[$_], $verdicts[$_], '') for 0 .. $#htaccess;
unlike($corpus->httpd->errorlog, qr/exit signal|Segmentation/, 'no crash over .htaccess files');

my $number = 0;
for my $case (grep { $_->{place} ne 'htaccess' } @cases) {
    check($case, $corpus->judge($case));
    next if $number++ % 25;
    is($corpus->configtest($case), $case->{$column} eq 'read' ? 'refused' : 'Syntax OK', "$case->{line}: httpd -t");
}
done_testing;
